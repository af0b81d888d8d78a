//! `splade-job`: arguments in, exit codes out.

use clap::Parser;
use clap::error::ErrorKind;
use splade_job::cli::{Class, Cli, Failure, refuse_arguments, report_failure};
use splade_telemetry::Telemetry;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are what was asked for; everything else is a wrong argument.
            let asked = matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            let _ = error.print();
            if asked {
                return ExitCode::SUCCESS;
            }
            refuse_arguments(&error);
            return ExitCode::from(Class::Usage as u8);
        }
    };
    // libtorch reports a lack of memory, among others, by exceptions that tch turns into panics. The hook has printed
    // what happened; the exit code must say "software" to whoever started this.
    match catch_unwind(AssertUnwindSafe(|| run(cli))) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => {
            report_failure(&failure);
            eprintln!("error: {failure}");
            ExitCode::from(failure.class as u8)
        }
        Err(panic) => {
            report_failure(&Failure::software(said(&*panic)));
            ExitCode::from(Class::Software as u8)
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let telemetry = Telemetry::start("splade-job", env!("CARGO_PKG_VERSION"));
    cli.run(&telemetry.map_err(Failure::software)?)
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("panic")
}
