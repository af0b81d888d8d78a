//! What the operator is told when it starts, and what it finds out about the cluster.

/// Settings that all objects share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Image of job pods whose manifest names none.
    pub job_image: String,
}

/// Scheduler interfaces that the cluster has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClusterOffers {
    /// Kueue is installed (`kueue.x-k8s.io`).
    pub kueue: bool,
    /// Volcano is installed (`scheduling.volcano.sh`).
    pub volcano: bool,
    /// KAI Scheduler is installed (`scheduling.run.ai`).
    pub kai: bool,
    /// The PodGroup of Kubernetes itself (`scheduling.k8s.io`), in the newest version served.
    pub pod_group: Option<PodGroupVersion>,
}

/// A served version of the PodGroup of Kubernetes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodGroupVersion {
    /// Kubernetes 1.36.
    V1Alpha2,
    /// Kubernetes 1.37.
    V1Beta1,
}

impl PodGroupVersion {
    /// The version as in `apiVersion`.
    pub fn name(self) -> &'static str {
        match self {
            Self::V1Alpha2 => "v1alpha2",
            Self::V1Beta1 => "v1beta1",
        }
    }
}
