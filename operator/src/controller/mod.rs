//! Brings objects and cluster together: reads from the cache, asks the plan, writes the status, carries out effects.

mod apply;
mod backoff;
mod invalid;
mod offers;
mod reconcile;
mod session;
mod subject;
mod trace_context;
mod traces;

pub use backoff::Backoffs;
pub use offers::Offers;
pub use reconcile::ReconcileError;
pub use session::lead;
pub use subject::Subject;
pub use trace_context::fresh as fresh_trace_context;

use crate::api::Calls;
use crate::cache::Cluster;
use crate::leader::Leadership;
use crate::metrics::Metrics;
use crate::progress::Reports;
use crate::settings::Settings;
use kube::Client;
use kube::runtime::events::Reporter;
use splade_telemetry::Roots;
use std::sync::Arc;

/// Field manager of everything that the operator writes but statuses.
const MANAGER: &str = "splade-operator";
/// Field manager of statuses.
const STATUS_MANAGER: &str = "splade-operator-status";

/// What reconciles share.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// How it is called.
    pub calls: Calls,
    /// What is known of the cluster.
    pub cluster: Cluster,
    /// Whether this process may write.
    pub leadership: Leadership,
    /// In whose name Events are published.
    pub reporter: Reporter,
    /// Counts what happens.
    pub metrics: Arc<Metrics>,
    /// What running trainings answer.
    pub reports: Reports,
    /// Settings of the operator.
    pub settings: Arc<Settings>,
    /// Scheduler interfaces of the cluster.
    pub offers: Offers,
    /// Sends the roots of attempts' traces, where traces are sent.
    pub roots: Option<Roots>,
    /// Objects that failed, and when they may be tried again.
    pub backoffs: Backoffs,
}
