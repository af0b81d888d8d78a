//! What a kind of object has to say to be reconciled.

use super::Context;
use crate::api::CallError;
use crate::cache::{Belongs, Cluster, Key, Kind};
use crate::effect::Decision;
use crate::metrics::Metrics;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::Store;
use serde::Serialize;
use serde::de::DeserializeOwned;
use splade_crds::training::{AttemptStatus, LastFailure};
use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;

/// A kind of object that is reconciled.
pub trait Subject:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// Its status.
    type Status: Clone + PartialEq + Send + Sync;
    /// Which kind it is.
    const KIND: Kind;
    /// Name of the kind.
    const NAME: &'static str;
    /// Name of the kind in URLs.
    const RESOURCE: &'static str;

    /// All of its kind, as they are known.
    fn cached(cluster: &Cluster) -> &Store<DeserializeGuard<Self>>;

    /// Its status, if it has been looked at before.
    fn status(&self) -> Option<&Self::Status>;

    /// Replaces its status.
    fn set_status(&mut self, status: Self::Status);

    /// Conditions in a status.
    fn conditions(status: &Self::Status) -> &Vec<Condition>;

    /// Conditions in a status, to change.
    fn conditions_mut(status: &mut Self::Status) -> &mut Vec<Condition>;

    /// The attempts that a status keeps, newest last.
    fn attempts(status: &Self::Status) -> &[AttemptStatus];

    /// What a status keeps of the last failure.
    fn last_failure(status: &Self::Status) -> Option<&LastFailure>;

    /// Whether its attempts are the roots of their traces; else they belong to that of another object's attempt.
    fn begins_traces(&self) -> bool;

    /// W3C trace context of the current attempt.
    fn traceparent(&self) -> Option<&str> {
        Self::attempts(self.status()?)
            .last()?
            .traceparent
            .as_deref()
    }

    /// Counts what a status that has been written says that the one before did not.
    fn count(before: Option<&Self::Status>, after: &Self::Status, metrics: &Metrics);

    /// Gathers what the plan goes by, and asks the plan.
    fn decide(
        self: Arc<Self>,
        context: &Context,
    ) -> impl Future<Output = Result<Decision<Self::Status>, CallError>> + Send;

    /// Which object it is.
    fn belongs(&self) -> Belongs {
        Belongs {
            kind: Self::KIND,
            key: Key::of(self),
        }
    }
}
