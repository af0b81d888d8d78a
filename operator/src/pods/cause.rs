//! Why a pod failed.

use super::{Failure, Outcome, PodView, TerminationMessage};
use k8s_openapi::api::core::v1::ContainerStateTerminated;
use k8s_openapi::jiff::Timestamp;
use splade_crds::training::AttemptCause;

/// Signals that a program brings on itself: illegal instruction, trap, abort, bus error, arithmetic, segmentation,
/// bad system call.
const OWN_SIGNALS: [i32; 7] = [4, 5, 6, 7, 8, 11, 31];
/// Reason of a pod that somebody deleted.
pub(super) const POD_DELETED: &str = "PodDeleted";
/// Exit codes from here on say by which signal a container ended.
const SIGNALLED: i32 = 128;

/// A pod that failed or was taken away, with what orders it among the others of its gang.
#[derive(Clone, Debug)]
pub struct PodFailure {
    /// What happened.
    pub failure: Failure,
    /// It only follows from what happened to another pod, as far as its own words go.
    pub is_echo: bool,
    /// It was deleted, by whomever.
    pub is_deleted: bool,
    /// When it happened.
    pub time: Option<Timestamp>,
    /// When the pod was made.
    pub created: Option<Timestamp>,
    /// The pod's place in the gang.
    pub index: Option<u32>,
}

impl PodFailure {
    /// What happened to a pod, if it failed or was taken away. Once its Job fails, at `failing_since`, Kubernetes
    /// deletes the pods that are left.
    pub fn of(pod: PodView<'_>, failing_since: Option<Timestamp>) -> Option<Self> {
        let ended = pod.terminated().filter(|ended| ended.exit_code != 0);
        let is_deleted = pod.leaves_by().is_some();
        let is_over = pod.phase() == "Failed" || ended.is_some();
        if pod.phase() == "Succeeded" || !(is_over || is_deleted) {
            return None;
        }
        let message = ended.and_then(TerminationMessage::of);
        let mut failure = classify(pod, ended, message.as_ref());
        failure.pod = Some(pod.name().into());
        failure.node = pod.node().map(Into::into);
        if let Some(ended) = ended {
            failure.exit_code = Some(ended.exit_code);
            failure.container = Some(crate::names::CONTAINER.into());
        }
        let finished = ended.and_then(|ended| ended.finished_at.as_ref());
        let times = [finished.map(|time| time.0), pod.deleted_at()];
        let deleted_by_job = failing_since.is_some_and(|since| pod.deleted_at() >= Some(since));
        let followed = message.is_some_and(|message| {
            matches!(message.outcome, Outcome::Interrupted | Outcome::NodeLost)
        });
        Some(Self {
            failure,
            is_echo: deleted_by_job || (followed && !is_deleted),
            is_deleted,
            time: times.into_iter().flatten().min(),
            created: pod.created_at(),
            index: pod.index(),
        })
    }

    /// Orders failures of a gang: the root of all comes first. Those that only followed come last; then time
    /// decides; of two at the same second the one that nobody deleted, since Kubernetes deletes the rest of a gang.
    pub fn rank(&self) -> impl Ord + use<> {
        let time = self.time.unwrap_or(Timestamp::MAX);
        (self.is_echo, time, self.is_deleted, self.index)
    }
}

fn classify(
    pod: PodView<'_>,
    ended: Option<&ContainerStateTerminated>,
    message: Option<&TerminationMessage>,
) -> Failure {
    if let Some(disruption) = pod.condition("DisruptionTarget")
        && disruption.status == "True"
    {
        let cause = disruption.reason.as_deref().unwrap_or_default();
        let text = disruption.message.clone();
        let text = text.unwrap_or_else(|| "the pod was disrupted".into());
        return Failure::infrastructure(disruption_reason(cause), text);
    }
    // A reason of the pod itself is the kubelet's or a controller's: evicted, not admitted, node gone.
    if let Some(reason) = pod.status().and_then(|status| status.reason.as_deref()) {
        let text = pod.status().and_then(|status| status.message.clone());
        let text = text.unwrap_or_else(|| format!("the pod ended as {reason}"));
        return Failure::infrastructure(&one_word(reason), text);
    }
    match ended {
        Some(ended) if pod.leaves_by().is_none() || is_own_failure(ended.exit_code) => {
            by_exit_code(ended, message)
        }
        _ if pod.leaves_by().is_some() => {
            Failure::infrastructure(POD_DELETED, "the pod was deleted")
        }
        _ => Failure::infrastructure("PodFailed", "the pod failed and no container says why"),
    }
}

/// Reasons of the condition DisruptionTarget, in the words of this API.
fn disruption_reason(reason: &str) -> &'static str {
    match reason {
        "PreemptionByScheduler" => "Preempted",
        "EvictionByEvictionAPI" | "TerminationByKubelet" => "Evicted",
        "DeletionByTaintManager" | "DeletionByPodGC" => "NodeLost",
        _ => "Disrupted",
    }
}

/// Whether an exit code tells of the program itself, also when the pod is being deleted.
fn is_own_failure(code: i32) -> bool {
    matches!(code, 64 | 65 | 66 | 70 | 78)
}

fn by_exit_code(ended: &ContainerStateTerminated, message: Option<&TerminationMessage>) -> Failure {
    let code = ended.exit_code;
    let outcome = message.map_or(Outcome::Failed, |message| message.outcome);
    let word = ended.reason.as_deref().unwrap_or_default();
    let (cause, reason) = match (word, code) {
        ("OOMKilled", _) => (AttemptCause::Application, "OOMKilled"),
        ("ContainerStatusUnknown", _) => (AttemptCause::Infrastructure, "NodeLost"),
        ("StartError" | "ContainerCannotRun", _) => {
            (AttemptCause::Application, "ContainerCannotRun")
        }
        (_, 64 | 78) => (AttemptCause::Configuration, "InvalidConfiguration"),
        (_, 65 | 66) => (AttemptCause::Data, "InvalidData"),
        (_, 75) => (AttemptCause::Infrastructure, infrastructure_reason(outcome)),
        (_, code) if code > SIGNALLED && !OWN_SIGNALS.contains(&(code - SIGNALLED)) => {
            (AttemptCause::Infrastructure, "Killed")
        }
        _ => (AttemptCause::Application, "ProgramFailed"),
    };
    Failure::new(cause, reason, text(ended, message))
}

fn infrastructure_reason(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Stalled => "Stalled",
        Outcome::NodeLost => "NodeLost",
        Outcome::Interrupted => "Interrupted",
        Outcome::Succeeded | Outcome::Failed => "InfrastructureFailed",
    }
}

fn text(ended: &ContainerStateTerminated, message: Option<&TerminationMessage>) -> String {
    if let Some(error) = message.and_then(|message| message.error.as_ref()) {
        return error.message.clone();
    }
    let said = ended.message.as_deref().filter(|said| !said.is_empty());
    let unread = said.filter(|_| message.is_none());
    let code = ended.exit_code;
    unread.map_or_else(
        || format!("the container ended with exit code {code}"),
        |said| format!("exit code {code}: {said}"),
    )
}

/// Makes a CamelCase word of a reason such as `OutOfnvidia.com/gpu`.
fn one_word(reason: &str) -> String {
    let word: String = reason.chars().filter(char::is_ascii_alphanumeric).collect();
    if word.starts_with(|first: char| first.is_ascii_alphabetic()) {
        word
    } else {
        "PodFailed".into()
    }
}
