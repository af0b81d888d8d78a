//! `splade-job`: arguments in, exit codes out.

use clap::Parser;
use clap::error::ErrorKind;
use splade_job::cli::{Class, Cli};
use splade_job::telemetry::start_logging;
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
            return if asked {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(Class::Usage as u8)
            };
        }
    };
    start_logging();
    // libtorch reports a lack of memory, among others, by exceptions that tch turns into panics. The hook has printed
    // what happened; the exit code must say "software" to whoever started this.
    match catch_unwind(AssertUnwindSafe(|| cli.run())) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.class as u8)
        }
        Err(_) => ExitCode::from(Class::Software as u8),
    }
}
