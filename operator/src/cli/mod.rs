//! The command line: arguments in, exit codes out.

mod crds;
mod ready;
mod run;

pub use ready::ReadyError;
pub use run::RunError;

use clap::{Parser, Subcommand};

/// Trains, exports and benchmarks SPLADE models on Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "splade-operator", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Work for SpladeTrainings and SpladeBenchmarks until SIGTERM.
    Run(Box<run::Arguments>),
    /// Print the custom resource definitions as YAML.
    Crds,
    /// Ask a running operator whether it is ready.
    Ready(ready::Arguments),
}

/// Why a command ended early.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// `run` did.
    #[error(transparent)]
    Run(#[from] RunError),
    /// `crds` did.
    #[error("the definitions cannot be printed: {0}")]
    Crds(#[from] crds::CrdsError),
    /// `ready` did: it is not.
    #[error(transparent)]
    Ready(#[from] ReadyError),
}

impl Cli {
    /// Does what was asked for.
    ///
    /// # Errors
    /// Whatever ends the command early.
    pub fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Run(arguments) => Ok(arguments.run()?),
            Command::Crds => Ok(crds::print()?),
            Command::Ready(arguments) => Ok(arguments.run()?),
        }
    }
}
