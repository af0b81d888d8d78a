//! Objects that the operator creates.

use crate::effect::PodGroupApi;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use splade_crds::SpladeBenchmark;

/// An object to create.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    /// The headless Service by which the pods of an attempt find each other.
    Service(Box<Service>),
    /// The manifest that the pods of an attempt read.
    ConfigMap(Box<ConfigMap>),
    /// The gang, for schedulers that want to be told.
    PodGroup(PodGroupApi, Box<DynamicObject>),
    /// The pods.
    Job(Box<Job>),
    /// A benchmark of a training's model.
    Benchmark(Box<SpladeBenchmark>),
}

impl PodGroupApi {
    /// How the API server calls it.
    pub fn resource(self) -> ApiResource {
        let kind = match self {
            Self::Native(version) => {
                GroupVersionKind::gvk("scheduling.k8s.io", version.name(), "PodGroup")
            }
            Self::Volcano => GroupVersionKind::gvk("scheduling.volcano.sh", "v1beta1", "PodGroup"),
        };
        ApiResource::from_gvk_with_plural(&kind, "podgroups")
    }
}
