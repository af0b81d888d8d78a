//! The command line: arguments in, exit codes out.

mod benchmark;
mod encode;
mod failure;
mod info;
mod init;
mod last_words;
mod launch;
mod manifest;
mod phase_message;
mod rank;
mod signals;

pub use failure::{Class, Failure};
pub use last_words::refuse_arguments;
pub use rank::report_failure;

use clap::{Parser, Subcommand};
use splade_telemetry::Telemetry;

/// Trains, exports and benchmarks SPLADE models: the job of splade-operator.
#[derive(Debug, Parser)]
#[command(name = "splade-job", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Init),
    /// Check a manifest and report every mistake at once.
    Validate(manifest::ManifestFile),
    /// Run every phase of a manifest: training, export, benchmarks, leaderboard. What is done is not done again.
    Run(manifest::ManifestFile),
    Train(manifest::Train),
    Launch(launch::Launch),
    Export(manifest::Export),
    Encode(encode::Encode),
    Benchmark(benchmark::Benchmark),
    /// Say what this machine has, in a form to paste into a bug report.
    Info,
}

impl Cli {
    /// Does what was asked for.
    ///
    /// # Errors
    /// Whatever ends the command early.
    pub fn run(self, telemetry: &Telemetry) -> Result<(), Failure> {
        match self.command {
            Command::Init(command) => command.run(),
            Command::Validate(file) => file.validate(),
            Command::Run(file) => file.run(telemetry),
            Command::Train(command) => command.run(telemetry),
            Command::Launch(command) => command.run(telemetry),
            Command::Export(command) => command.run(telemetry),
            Command::Encode(command) => command.run(),
            Command::Benchmark(command) => command.run(telemetry),
            Command::Info => {
                info::run();
                Ok(())
            }
        }
    }
}
