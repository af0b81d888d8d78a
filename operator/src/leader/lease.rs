//! The Lease in the API server: read, create, compare and set.

use super::decision::Record;
use super::{Candidate, request_limit};
use crate::api::{CallError, Calls, Verb};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use std::time::Duration;

const MANAGER: &str = "splade-operator";

/// A lease that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The API server did not do what it was asked to.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The API server sent a Lease without what every object has.
    #[error("the lease has no resourceVersion, so it cannot be compared and set")]
    Version,
}

/// One Lease, with what writing it needs.
pub(super) struct LeaseClient {
    api: Api<Lease>,
    calls: Calls,
    candidate: Candidate,
}

/// A Lease as it was read.
#[derive(Clone, Debug)]
pub(super) struct Held {
    lease: Lease,
    pub(super) record: Record,
}

impl Held {
    fn new(lease: Lease, default_duration: Duration) -> Result<Self, LeaseError> {
        let spec = lease.spec.clone().unwrap_or_default();
        let seconds = spec.lease_duration_seconds;
        let record = Record {
            holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
            duration: seconds
                .and_then(|seconds| u64::try_from(seconds).ok())
                .map_or(default_duration, Duration::from_secs),
            version: lease
                .metadata
                .resource_version
                .clone()
                .ok_or(LeaseError::Version)?,
        };
        Ok(Self { lease, record })
    }
}

impl LeaseClient {
    pub(super) fn new(client: Client, calls: &Calls, candidate: Candidate) -> Self {
        Self {
            api: Api::namespaced(client, &candidate.namespace),
            calls: calls.with_limit(request_limit(candidate.timing)),
            candidate,
        }
    }

    /// The lease; None where there is none.
    pub(super) async fn read(&self) -> Result<Option<Held>, LeaseError> {
        let lease = self
            .calls
            .once(Verb::Get, "leases", self.api.get_opt(&self.candidate.name))
            .await?;
        lease.map(|lease| self.held(lease)).transpose()
    }

    /// Creates the lease, held by us. None where another was faster.
    pub(super) async fn create(&self) -> Result<Option<Held>, LeaseError> {
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.candidate.name.clone()),
                namespace: Some(self.candidate.namespace.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(self.taken(None)),
        };
        let parameters = parameters();
        let created = self.api.create(&parameters, &lease);
        let created = self.calls.once(Verb::Create, "leases", created).await;
        self.unless_conflict(created)
    }

    /// Renews the lease, or takes it. None where another was faster.
    pub(super) async fn take(&self, held: &Held) -> Result<Option<Held>, LeaseError> {
        let before = held.lease.spec.as_ref();
        self.replace(held, self.taken(before)).await
    }

    /// Gives the lease back, so that others need not wait. None where it is another's by now.
    pub(super) async fn release(&self, held: &Held) -> Result<Option<Held>, LeaseError> {
        let spec = LeaseSpec {
            holder_identity: None,
            renew_time: Some(MicroTime(Timestamp::now())),
            ..held.lease.spec.clone().unwrap_or_default()
        };
        self.replace(held, spec).await
    }

    async fn replace(&self, held: &Held, spec: LeaseSpec) -> Result<Option<Held>, LeaseError> {
        // The object carries the resourceVersion that was read: the API server refuses it when the lease has changed.
        let lease = Lease {
            metadata: held.lease.metadata.clone(),
            spec: Some(spec),
        };
        let parameters = parameters();
        let replaced = self.api.replace(&self.candidate.name, &parameters, &lease);
        let replaced = self.calls.once(Verb::Update, "leases", replaced).await;
        self.unless_conflict(replaced)
    }

    /// A spec that says that we hold the lease from now on.
    fn taken(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let me = &self.candidate.identity;
        let ours = before.filter(|spec| spec.holder_identity.as_ref() == Some(me));
        let transitions = before.and_then(|spec| spec.lease_transitions);
        LeaseSpec {
            holder_identity: Some(me.clone()),
            lease_duration_seconds: i32::try_from(self.candidate.timing.lease.as_secs()).ok(),
            acquire_time: ours
                .and_then(|spec| spec.acquire_time.clone())
                .or_else(|| Some(now.clone())),
            renew_time: Some(now),
            lease_transitions: match (before, ours) {
                (None, _) => Some(0),
                (Some(_), Some(_)) => transitions,
                (Some(_), None) => Some(transitions.unwrap_or(0).saturating_add(1)),
            },
            ..before.cloned().unwrap_or_default()
        }
    }

    fn held(&self, lease: Lease) -> Result<Held, LeaseError> {
        Held::new(lease, self.candidate.timing.lease)
    }

    fn unless_conflict(
        &self,
        written: Result<Lease, CallError>,
    ) -> Result<Option<Held>, LeaseError> {
        match written {
            Ok(lease) => self.held(lease).map(Some),
            Err(error) if error.is_conflict() || error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn parameters() -> PostParams {
    PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    }
}
