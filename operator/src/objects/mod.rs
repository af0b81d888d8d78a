//! The objects of an attempt, built from settings that have been checked. Nothing here reads a cluster or a clock.

mod job;
mod manifest;
mod object;
mod pod;
mod scheduler;
mod service;
mod volumes;

pub use job::build as job;
pub use manifest::{MANIFEST_FOLDER, build as config_map};
pub use object::Object;
pub use pod::PodPlan;
pub use scheduler::{KUEUE_QUEUE, pod_group, pod_group_api, pod_group_of};
pub use service::{MASTER_PORT, STATUS_PORT, build as service};
pub use volumes::{RESERVED_PREFIX, is_at};

use crate::labels::{self, Component};
use crate::names;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use splade_crds::training::SchedulerSpec;
use std::collections::BTreeMap;

/// One attempt: whose it is, and how many pods it has.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// What its pods do.
    pub component: Component,
    /// The resource it belongs to.
    pub owner: Owner,
    /// Its number, from 1.
    pub number: u32,
    /// Its W3C trace context.
    pub traceparent: Option<String>,
    /// Number of pods.
    pub pods: u32,
    /// What places them.
    pub scheduler: SchedulerSpec,
}

/// The resource that an attempt belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Kind, as in the API.
    pub kind: &'static str,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
}

impl Owner {
    /// A reference that makes the resource the controller of what it owns.
    pub fn reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: splade_crds::API_VERSION.into(),
            kind: self.kind.into(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }
}

impl Attempt {
    /// Name of its Job, ConfigMap, Service and PodGroup.
    pub fn name(&self) -> String {
        names::of_attempt(self.component, &self.owner.name, self.number)
    }

    /// Labels of everything that belongs to it.
    pub fn labels(&self) -> BTreeMap<String, String> {
        labels::of_attempt(self.component, &self.owner.name, self.number)
    }

    /// Metadata of an object of it.
    fn metadata(&self) -> ObjectMeta {
        ObjectMeta {
            name: Some(self.name()),
            namespace: Some(self.owner.namespace.clone()),
            labels: Some(self.labels()),
            owner_references: Some(vec![self.owner.reference()]),
            ..ObjectMeta::default()
        }
    }
}
