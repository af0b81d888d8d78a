//! How an attempt stands.

use super::cause::{POD_DELETED, PodFailure};
use super::{Blocked, Failure, Gang, PodView, TerminationMessage};
use crate::time;
use k8s_openapi::jiff::Timestamp;
use splade_crds::training::AttemptStatus;

/// Seconds in which news of the pods may come later than news of their Job.
const NEWS_SECONDS: u64 = 5;

/// How an attempt stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// Its Job has not been seen yet.
    Absent,
    /// A queue holds its Job back.
    Queued,
    /// Not all of its pods run.
    Starting(Start),
    /// All of its pods run, or have ended well.
    Running,
    /// It is done.
    Succeeded(Box<Option<TerminationMessage>>),
    /// It has ended without success.
    Failed(Failure),
    /// News are on their way: what pods of a Job that has ended said, or that a queue has taken back those that go.
    Unclear,
}

/// Why not all pods run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Every pod has a node.
    pub is_scheduled: bool,
    /// One CamelCase word.
    pub reason: String,
    /// For a person.
    pub message: String,
    /// What blocks a pod.
    pub blocked: Option<Blocked>,
}

impl Standing {
    /// How an attempt stands, by its record and by what the cluster shows.
    pub fn of(gang: &Gang<'_>, record: &AttemptStatus, now: Timestamp) -> Self {
        if has_succeeded(gang) {
            let message = gang.pods.iter().find_map(|pod| pod.message());
            if message.is_none() && awaits_last_words(gang, now) {
                return Self::Unclear;
            }
            return Self::Succeeded(Box::new(message));
        }
        if let Some(failure) = job_gone(gang, record) {
            return Self::Failed(failure);
        }
        if gang.job.is_none() {
            return Self::Absent;
        }
        let gang = &gang.clone().without_former_pods();
        if gang.is_suspended() && !gang.is_finishing() {
            return held_back(gang);
        }
        let root = root_failure(gang, |_| true);
        if root
            .as_ref()
            .is_some_and(|root| may_be_taken_back(gang, root, now))
        {
            return Self::Unclear;
        }
        let root = root.map(|root| root.failure);
        if let Some(failure) = root.or_else(|| deadline(gang)) {
            return Self::Failed(failure);
        }
        if let Some(standing) = failed_unseen(gang, now) {
            return standing;
        }
        if let Some(failure) = pod_gone(gang, record) {
            return Self::Failed(failure);
        }
        running(gang)
    }
}

fn has_succeeded(gang: &Gang<'_>) -> bool {
    let all = usize::try_from(gang.size).unwrap_or(usize::MAX);
    gang.holds(&["Complete", "SuccessCriteriaMet"]).is_some()
        || (gang.job.is_some() && gang.places(|pod| pod.phase() == "Succeeded") >= all)
}

/// The news that the Job is done came before those of its pods, which bring what they said at their end.
fn awaits_last_words(gang: &Gang<'_>, now: Timestamp) -> bool {
    let done = gang.holds(&["Complete", "SuccessCriteriaMet"]);
    let since = done.and_then(|condition| condition.last_transition_time.as_ref());
    let recent = since.is_some_and(|since| time::seconds_apart(since.0, now) < NEWS_SECONDS);
    recent
        && gang
            .pods
            .iter()
            .any(|pod| !matches!(pod.phase(), "Succeeded" | "Failed"))
}

/// The Job has been seen and is gone, is going, or is another one.
fn job_gone(gang: &Gang<'_>, record: &AttemptStatus) -> Option<Failure> {
    let seen = record.job_uid.as_ref()?;
    let gone = |message: &str| Some(Failure::infrastructure("JobDeleted", message));
    let Some(job) = gang.job else {
        return gone("the Job was deleted");
    };
    if job.metadata.uid.as_ref() != Some(seen) {
        return gone("the Job was replaced by another one of its name");
    }
    let deleted = job.metadata.deletion_timestamp.as_ref()?.0;
    let before = |failed: &PodFailure| failed.time.is_some_and(|time| time < deleted);
    let root = root_failure(gang, before).map(|root| root.failure);
    root.or_else(|| gone("the Job was deleted"))
}

/// The first of those failures of the pods that count. Of two pods at one place only the older can be: the other one
/// was to replace it, in a gang that had lost it.
fn root_failure(gang: &Gang<'_>, counts: impl Fn(&PodFailure) -> bool) -> Option<PodFailure> {
    let failing = gang.holds(&["Failed", "FailureTarget"]);
    let failing_since = failing.and_then(|condition| condition.last_transition_time.as_ref());
    let failing_since = failing_since.map(|time| time.0);
    let mut failures: Vec<_> = gang
        .pods
        .iter()
        .filter_map(|pod| PodFailure::of(*pod, failing_since))
        .collect();
    failures.sort_by_key(|failed| (failed.index, failed.created));
    failures.dedup_by_key(|failed| failed.index);
    failures
        .into_iter()
        .filter(counts)
        .min_by_key(PodFailure::rank)
}

/// A queue takes a Job back by its `suspend`, and Kubernetes deletes the pods then: news of these may come first.
fn may_be_taken_back(gang: &Gang<'_>, root: &PodFailure, now: Timestamp) -> bool {
    let is_recent = |time| time::seconds_apart(time, now) < NEWS_SECONDS;
    gang.has_queue() && root.failure.reason == POD_DELETED && root.time.is_some_and(is_recent)
}

/// A queue holds the Job back. What it has taken back waits in its Job, which keeps its place in the queue.
fn held_back(gang: &Gang<'_>) -> Standing {
    if gang.pods.is_empty() {
        return Standing::Queued;
    }
    // Those that were taken back are left out already; who only followed them out is taken back in a moment.
    if let Some(root) = root_failure(gang, |failed| !failed.is_echo) {
        return Standing::Failed(root.failure);
    }
    if gang.pods.iter().all(|pod| pod.phase() == "Succeeded") {
        // Kubernetes would make only the others again, which cannot train without those.
        let text =
            "the Job was suspended by its queue when some of its pods had ended well already";
        return Standing::Failed(Failure::infrastructure("Preempted", text));
    }
    if !gang.pods.iter().any(|pod| pod.may_run()) {
        return Standing::Queued;
    }
    // News of the pods came before the news that the Job may run, or before they are taken away.
    running(gang)
}

fn deadline(gang: &Gang<'_>) -> Option<Failure> {
    let failed = gang.holds(&["Failed", "FailureTarget"])?;
    let is_late = failed.reason.as_deref() == Some("DeadlineExceeded");
    is_late.then(|| Failure::infrastructure("DeadlineExceeded", "the Job took too long"))
}

/// The Job has failed and no pod shows why: either the news are on their way, or the pod is gone.
fn failed_unseen(gang: &Gang<'_>, now: Timestamp) -> Option<Standing> {
    let failed = gang.holds(&["Failed", "FailureTarget"])?;
    let since = failed
        .last_transition_time
        .as_ref()
        .map_or(now, |time| time.0);
    // However far a clock was set back, the wait is short.
    if time::seconds_apart(since, now) < NEWS_SECONDS {
        return Some(Standing::Unclear);
    }
    let text = failed.message.clone().unwrap_or_default();
    let text = format!("the Job failed and the pod is gone: {text}");
    Some(Standing::Failed(Failure::infrastructure("PodLost", text)))
}

fn pod_gone(gang: &Gang<'_>, record: &AttemptStatus) -> Option<Failure> {
    let there = gang.places(|_| true);
    let all = usize::try_from(gang.size).unwrap_or(usize::MAX);
    (record.running_time.is_some() && there < all).then(|| {
        let text = format!("{} of {all} pods are gone", all - there);
        Failure::infrastructure("PodLost", text)
    })
}

fn running(gang: &Gang<'_>) -> Standing {
    let all = usize::try_from(gang.size).unwrap_or(usize::MAX);
    let run = gang.places(|pod| pod.runs() || pod.phase() == "Succeeded");
    if run >= all {
        return Standing::Running;
    }
    let blocked = gang.pods.iter().find_map(|pod| Blocked::of(*pod));
    let unscheduled = gang.pods.iter().find(|pod| pod.node().is_none());
    let (reason, message) = if let Some(blocked) = &blocked {
        (blocked.reason.clone(), blocked.message.clone())
    } else if let Some(pod) = unscheduled {
        unscheduled_reason(*pod)
    } else if gang.pods.len() < all {
        let text = format!("{} of {all} pods exist", gang.pods.len());
        ("PodsMissing".into(), text)
    } else {
        let text = format!("{run} of {all} pods run");
        ("PodsStarting".into(), text)
    };
    Standing::Starting(Start {
        is_scheduled: unscheduled.is_none() && gang.pods.len() >= all,
        reason,
        message,
        blocked,
    })
}

fn unscheduled_reason(pod: PodView<'_>) -> (String, String) {
    let condition = pod.condition("PodScheduled");
    let reason = condition.and_then(|condition| condition.reason.clone());
    let message = condition.and_then(|condition| condition.message.clone());
    let waits = || format!("pod {} waits for a node", pod.name());
    (
        reason.unwrap_or_else(|| "Unscheduled".into()),
        message.unwrap_or_else(waits),
    )
}
