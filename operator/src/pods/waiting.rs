//! Why a container does not start.

use super::PodView;

/// A container that cannot start until somebody changes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The kubelet's reason, for example ImagePullBackOff.
    pub reason: String,
    /// What the kubelet says.
    pub message: String,
    /// It can never start as it is: waiting is of no use.
    pub is_final: bool,
    /// The pod.
    pub pod: String,
    /// Its node.
    pub node: Option<String>,
}

impl Blocked {
    /// What blocks a pod, if something does. A registry that does not answer looks like an image that does not
    /// exist, and a Secret may be created a moment later, so most of these may pass.
    pub fn of(pod: PodView<'_>) -> Option<Self> {
        let waiting = pod.state()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref()?;
        let is_final = matches!(reason, "InvalidImageName" | "ErrImageNeverPull");
        let may_pass = matches!(
            reason,
            "ErrImagePull"
                | "ImagePullBackOff"
                | "ImageInspectError"
                | "RegistryUnavailable"
                | "SignatureValidationFailed"
                | "CreateContainerConfigError"
                | "CreateContainerError"
        );
        (is_final || may_pass).then(|| Self {
            reason: reason.into(),
            message: waiting.message.clone().unwrap_or_default(),
            is_final,
            pod: pod.name().into(),
            node: pod.node().map(Into::into),
        })
    }
}
