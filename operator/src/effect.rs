//! What a plan wants done in the cluster.

use crate::objects::Object;
use std::time::Duration;

/// What a plan decides. The status is written first, with the resource version that was observed; only when that
/// has worked the effects follow, in order. Every effect may be carried out again.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<S> {
    /// The new status, whole.
    pub status: S,
    /// What to do, in order.
    pub effects: Vec<Effect>,
    /// When to look again although nothing has changed; never without it, since a watch tells.
    pub requeue_after: Option<Duration>,
}

/// Something to do in the cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Creates objects, in order. One that exists and has the same controller is left as it is; one that belongs to
    /// somebody else is an error.
    Create(Vec<Object>),
    /// Deletes what belongs to one attempt: first what the pods need, last the Job with its pods. What is not
    /// there is no error.
    DeleteAttempt(AttemptObjects),
    /// Deletes a pod. Not there is no error.
    DeletePod {
        /// Name of the pod.
        name: String,
        /// Only this pod, not a namesake.
        uid: String,
        /// Without waiting for its node to confirm (grace period 0).
        at_once: bool,
    },
    /// Deletes the resource itself, in the foreground.
    DeleteOwner {
        /// Only this object, not a namesake.
        uid: String,
    },
    /// Publishes an Event about the resource.
    Publish(Notice),
}

/// What belongs to one attempt, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptObjects {
    /// Name of the Service, if attempts of this kind have one.
    pub service: Option<String>,
    /// Name of the ConfigMap.
    pub config_map: String,
    /// The PodGroup, if the scheduler needs one.
    pub pod_group: Option<(PodGroupApi, String)>,
    /// Name and uid of the Job, if it exists. Deleted in the foreground.
    pub job: Option<(String, String)>,
}

/// Whose PodGroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodGroupApi {
    /// `scheduling.k8s.io`.
    Native(crate::settings::PodGroupVersion),
    /// `scheduling.volcano.sh/v1beta1`.
    Volcano,
}

/// How much an Event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// For information.
    Normal,
    /// Something went wrong.
    Warning,
}

/// An Event about a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How much it matters.
    pub severity: Severity,
    /// One CamelCase word.
    pub reason: &'static str,
    /// For a person, at most 1000 bytes.
    pub note: String,
}

/// The longest note of an Event, in bytes.
const LONGEST_NOTE: usize = 1000;

impl Notice {
    /// An Event whose note is cut to what the API server accepts.
    pub fn new(severity: Severity, reason: &'static str, note: &str) -> Self {
        Self {
            severity,
            reason,
            note: note[..note.floor_char_boundary(LONGEST_NOTE)].into(),
        }
    }
}
