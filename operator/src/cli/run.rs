//! `splade-operator run`: from arguments to a process that works until it is told to stop.

use crate::leader::{Candidate, Timing};
use crate::operator::{Operator, OperatorError};
use crate::progress::PollTiming;
use crate::settings::Settings;
use clap::Args;
use splade_telemetry::{Roots, Telemetry, TraceError, Traces};
use std::net::SocketAddr;
use std::time::Duration;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::util::TryInitError;

/// The longest that a running training may take to say where it stands.
const PROGRESS_LIMIT: Duration = Duration::from_secs(2);

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Namespace to work in; may be given several times. All namespaces without it.
    #[arg(
        long = "watch-namespace",
        env = "SPLADE_WATCH_NAMESPACES",
        value_delimiter = ','
    )]
    watch_namespaces: Vec<String>,
    /// Objects of one kind that are reconciled at the same time.
    #[arg(long, env = "SPLADE_CONCURRENCY", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,
    /// Image of job pods whose manifest names none.
    #[arg(long, env = "SPLADE_JOB_IMAGE")]
    job_image: String,
    /// Name of the Lease by which one of several operators leads.
    #[arg(long, env = "SPLADE_LEASE_NAME", default_value = "splade-operator")]
    lease_name: String,
    /// Namespace of the Lease.
    #[arg(long, env = "POD_NAMESPACE", default_value = "default")]
    lease_namespace: String,
    /// Name of this process in the Lease; no two that run at once may share one. Made up without it.
    #[arg(long, env = "POD_NAME")]
    identity: Option<String>,
    /// Address of /healthz, /readyz and /metrics.
    #[arg(long, env = "SPLADE_HTTP_ADDRESS", default_value = "0.0.0.0:8080")]
    http_address: SocketAddr,
    /// Seconds between two questions to a running training where it stands.
    #[arg(long, env = "SPLADE_PROGRESS_INTERVAL", default_value_t = 10.0, value_parser = seconds)]
    progress_interval: f64,
    /// What is logged: a level such as "info", or a filter such as "info,splade_operator=debug".
    #[arg(long, env = "RUST_LOG", default_value = "info", value_parser = level)]
    log_level: String,
}

/// Why the operator does not work.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is a logger already.
    #[error("logging cannot be started: {0}")]
    Logging(#[from] TryInitError),
    /// Traces cannot be sent as they are asked to.
    #[error(transparent)]
    Traces(#[from] TraceError),
    /// No threads.
    #[error("the process cannot be given its threads: {0}")]
    Runtime(std::io::Error),
    /// The operator itself.
    #[error(transparent)]
    Operator(#[from] OperatorError),
}

impl Arguments {
    pub(super) fn run(self) -> Result<(), RunError> {
        let level = EnvFilter::new(&self.log_level);
        let telemetry =
            Telemetry::start_service("splade-operator", env!("CARGO_PKG_VERSION"), level)?;
        // The last spans are sent when this is dropped, after the runtime has ended.
        let traces = telemetry.send_traces(None)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(RunError::Runtime)?;
        let roots = traces.as_ref().map(Traces::roots);
        runtime.block_on(self.operator(roots).run())?;
        Ok(())
    }

    fn operator(self, roots: Option<Roots>) -> Operator {
        Operator {
            candidate: Candidate {
                namespace: self.lease_namespace,
                name: self.lease_name,
                identity: self.identity.unwrap_or_else(made_up_identity),
                timing: Timing::default(),
            },
            namespaces: self.watch_namespaces,
            concurrency: self.concurrency,
            settings: Settings {
                job_image: self.job_image,
            },
            http_address: self.http_address,
            polling: PollTiming {
                interval: Duration::from_secs_f64(self.progress_interval),
                limit: PROGRESS_LIMIT,
            },
            roots,
        }
    }
}

fn made_up_identity() -> String {
    format!("splade-operator-{:016x}", fastrand::u64(..))
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=3_600.0).contains(&seconds) => Ok(seconds),
        Ok(_) => Err("not between 0.1 and 3600 seconds".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn level(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text)
        .map(|_| text.to_owned())
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use crate::cli::Cli;
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_makes_no_sense_is_refused_at_the_start() {
        let run = |argument: &str| {
            Cli::try_parse_from(["splade-operator", "run", "--job-image", "job:1", argument])
        };
        assert!(run("--concurrency=8").is_ok());
        for wrong in [
            "--concurrency=0",
            "--progress-interval=0",
            "--progress-interval=x",
            "--log-level=a=b=c",
            "--http-address=8080",
        ] {
            assert!(run(wrong).is_err(), "{wrong}");
        }
    }
}
