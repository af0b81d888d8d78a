//! The pods that train together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pod::{DeviceResource, PodSettings};
use crate::schema::{NAME_PATTERN, cel};

/// The pods that train together, one for each node. All of them run, or none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct GangSpec {
    /// Number of pods.
    #[schemars(range(min = 1, max = 1024))]
    pub nodes: u32,
    /// Ranks in each pod, one for each device; without devices, processes on the CPU.
    #[schemars(range(min = 1, max = 64))]
    pub devices_per_node: u32,
    /// Extended resource that a device is asked by, for example `nvidia.com/gpu`; `none` trains on
    /// the CPU.
    pub device_resource: DeviceResource,
    /// Settings of each pod.
    #[serde(flatten)]
    pub pod: PodSettings,
    /// What places the gang.
    pub scheduler: SchedulerSpec,
}

impl Default for GangSpec {
    fn default() -> Self {
        Self {
            nodes: 1,
            devices_per_node: 8,
            device_resource: DeviceResource::default(),
            pod: PodSettings::default(),
            scheduler: SchedulerSpec::default(),
        }
    }
}

impl GangSpec {
    /// Number of ranks in the whole gang.
    pub fn world_size(&self) -> u32 {
        self.nodes * self.devices_per_node
    }
}

/// What places the gang.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = cel(&[(
    "has(self.queueName) == (self.type in ['Kueue', 'Volcano', 'Kai'])",
    "queueName must be set for type Kueue, Volcano and Kai, and only for these",
)])))]
pub struct SchedulerSpec {
    /// The gang scheduler.
    #[serde(rename = "type")]
    pub kind: SchedulerType,
    /// Queue of the gang; for Kueue a LocalQueue of the same namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME_PATTERN))]
    pub queue_name: Option<String>,
}

/// A gang scheduler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SchedulerType {
    /// The default scheduler, pod by pod.
    #[default]
    None,
    /// Admission by Kueue.
    Kueue,
    /// Volcano.
    Volcano,
    /// KAI Scheduler.
    Kai,
    /// A PodGroup of Kubernetes itself (scheduling.k8s.io).
    PodGroup,
}

impl SchedulerType {
    /// Whether gangs of this scheduler wait in a named queue.
    pub fn has_queues(self) -> bool {
        matches!(self, Self::Kueue | Self::Volcano | Self::Kai)
    }
}
