//! The operator as a whole: watches, election, reconciles and HTTP server, from the start to an orderly end.

use crate::api::Calls;
use crate::cache::{Cluster, Scope, follow};
use crate::controller::{Backoffs, Context, Offers, lead};
use crate::leader::{Candidate, Leadership, elect};
use crate::metrics::Metrics;
use crate::progress::{PollTiming, Reports};
use crate::server::{Pulse, Routes};
use crate::settings::Settings;
use kube::client::ClientBuilder;
use kube::runtime::events::Reporter;
use kube::{Client, Config};
use splade_telemetry::{Roots, StatusError, serve_with};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::sleep;

/// The longest that running reconciles are waited for at the end.
const LAST_RECONCILES: Duration = Duration::from_secs(20);
/// How often it is looked whether the objects of the cluster are known.
const SYNC_POLL: Duration = Duration::from_millis(20);

/// How the operator works.
#[derive(Clone, Debug)]
pub struct Operator {
    /// The lease that is fought for.
    pub candidate: Candidate,
    /// Only these namespaces; all where there is none.
    pub namespaces: Vec<String>,
    /// Objects of one kind that are reconciled at the same time.
    pub concurrency: u16,
    /// What plans are told.
    pub settings: Settings,
    /// Where the HTTP server answers.
    pub http_address: SocketAddr,
    /// When running trainings are asked.
    pub polling: PollTiming,
    /// Sends the roots of attempts' traces, where traces are sent.
    pub roots: Option<Roots>,
}

/// Why the operator cannot work.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// No way to the API server.
    #[error("neither a service account nor a kubeconfig says where the API server is: {0}")]
    Config(#[from] kube::config::InferConfigError),
    /// The way cannot be gone.
    #[error("the API server cannot be spoken to: {0}")]
    Client(Box<kube::Error>),
    /// The HTTP server.
    #[error(transparent)]
    Server(#[from] StatusError),
    /// No signals.
    #[error("signals cannot be waited for: {0}")]
    Signals(std::io::Error),
}

impl Operator {
    /// Works until SIGTERM or SIGINT.
    ///
    /// # Errors
    /// What makes a start impossible. An API server that does not answer is no error: it is waited for.
    pub async fn run(self) -> Result<(), OperatorError> {
        let (cluster, writers) = Cluster::new();
        let metrics = Arc::new(Metrics::new(
            cluster.trainings.clone(),
            cluster.benchmarks.clone(),
        ));
        let client = client().await?;
        let calls = Calls::new(Arc::clone(&metrics));
        let scope = Scope {
            client: client.clone(),
            namespaces: self.namespaces.clone(),
            metrics: Arc::clone(&metrics),
        };
        let (end_election, election_ends) = watch::channel(false);
        let ends = reached(election_ends);
        let (leadership, election) = elect(client.clone(), &calls, self.candidate.clone(), ends);
        let pulse = Pulse::default();
        let routes = Routes {
            metrics: Arc::clone(&metrics),
            cluster: cluster.clone(),
            leadership: leadership.clone(),
            pulse: pulse.clone(),
        };
        let server = serve_with(self.http_address, move || {
            move |request: &_| routes.answer(request)
        })?;
        tracing::info!(
            address = %server.local_addr(),
            version = env!("CARGO_PKG_VERSION"),
            identity = self.candidate.identity,
            namespaces = ?self.namespaces,
            "the operator starts"
        );
        let stop = stop_signal()?;
        let election = tokio::spawn(election);
        let watching = tokio::spawn(follow(&scope, &cluster, writers));
        let beating = tokio::spawn(pulse.beat());
        let context = self.context(client, calls, cluster, leadership, metrics);
        self.work(&Arc::new(context), stop).await;
        end_election.send_replace(true);
        // The election ends by itself within a few requests; it does not panic.
        let _ = election.await;
        watching.abort();
        beating.abort();
        tracing::info!("the operator has ended");
        Ok(())
    }

    fn context(
        &self,
        client: Client,
        calls: Calls,
        cluster: Cluster,
        leadership: Leadership,
        metrics: Arc<Metrics>,
    ) -> Context {
        let reporter = Reporter {
            controller: "splade-operator".to_owned(),
            instance: Some(self.candidate.identity.clone()),
        };
        Context {
            reporter,
            client,
            calls,
            cluster,
            leadership,
            metrics,
            reports: Reports::default(),
            settings: Arc::new(self.settings.clone()),
            offers: Offers::default(),
            roots: self.roots.clone(),
            backoffs: Backoffs::default(),
        }
    }

    /// Leads whenever it is this process's turn, until `stop`.
    async fn work(&self, context: &Arc<Context>, stop: watch::Receiver<bool>) {
        let mut leadership = context.leadership.clone();
        loop {
            let turn = async {
                while !context.cluster.is_synced() {
                    sleep(SYNC_POLL).await;
                }
                leadership.won().await;
            };
            tokio::select! {
                () = turn => {}
                () = reached(stop.clone()) => return,
            }
            context.metrics.set_leader(true);
            let leading = lead(
                context,
                self.concurrency,
                self.polling,
                reached(stop.clone()),
            );
            let limit = async {
                reached(stop.clone()).await;
                sleep(LAST_RECONCILES).await;
            };
            tokio::select! {
                () = leading => {}
                () = limit => tracing::warn!("reconciles that still run are broken off"),
                // What still runs is broken off at once: another may lead now.
                () = leadership.lost() => tracing::warn!("this process leads no more"),
            }
            context.cluster.triggers.close();
            context.metrics.set_leader(false);
            if *stop.borrow() {
                return;
            }
        }
    }
}

/// A client whose requests are not tried again behind our back, where no time limit would hold.
async fn client() -> Result<Client, OperatorError> {
    let mut config = Config::infer().await?;
    config.default_retry = false;
    let builder = ClientBuilder::try_from(config);
    Ok(builder
        .map_err(|error| OperatorError::Client(Box::new(error)))?
        .build())
}

/// Becomes true at SIGTERM or SIGINT.
fn stop_signal() -> Result<watch::Receiver<bool>, OperatorError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(OperatorError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(OperatorError::Signals)?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to stop: running reconciles end first");
        stop.send_replace(true);
        // Kept, so that those who wait are not told by its end.
        stop.closed().await;
    });
    Ok(stopped)
}

/// Returns when the value is true.
async fn reached(mut value: watch::Receiver<bool>) {
    if value.wait_for(|reached| *reached).await.is_err() {
        std::future::pending::<()>().await;
    }
}
