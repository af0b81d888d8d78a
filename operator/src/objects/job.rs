//! The Job of an attempt: all its pods once, none of them again.

use super::{Attempt, PodPlan, scheduler};
use crate::names;
use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
};
use splade_crds::training::SchedulerType;

/// Exit codes by which the job says what went wrong, but for the next one.
const EXIT_CODES: [i32; 5] = [64, 65, 66, 70, 78];
/// Exit code of failures of the infrastructure, and of pods that were asked to leave.
const INTERRUPTED: i32 = 75;

/// The Job. One that fails is never tried again by Kubernetes: the next attempt is another Job.
/// `deadline_seconds` bounds how long its pods may take, from when it may start.
pub fn build(attempt: &Attempt, pod: &PodPlan<'_>, deadline_seconds: Option<i64>) -> Job {
    let pods = i32::try_from(attempt.pods).unwrap_or(i32::MAX);
    let mut metadata = attempt.metadata();
    let mut spec = JobSpec {
        completion_mode: Some("Indexed".into()),
        completions: Some(pods),
        parallelism: Some(pods),
        backoff_limit: Some(0),
        pod_replacement_policy: Some("Failed".into()),
        pod_failure_policy: Some(fails_as_a_whole(attempt)),
        active_deadline_seconds: deadline_seconds,
        template: pod.template(attempt),
        ..JobSpec::default()
    };
    scheduler::mark(attempt, &mut metadata, &mut spec);
    Job {
        metadata,
        spec: Some(spec),
        status: None,
    }
}

/// The first pod that fails or is taken away ends the Job at once. Kueue takes pods back by suspending the Job: those
/// that have saved and left must not end it, so there only the operator judges them.
fn fails_as_a_whole(attempt: &Attempt) -> PodFailurePolicy {
    let taken_back = match attempt.scheduler.kind {
        SchedulerType::Kueue => on_exit_codes("Ignore", &[INTERRUPTED]),
        _ => on_exit_codes("FailJob", &[INTERRUPTED]),
    };
    let disrupted = PodFailurePolicyOnPodConditionsPattern {
        type_: "DisruptionTarget".into(),
        status: Some("True".into()),
    };
    PodFailurePolicy {
        rules: vec![
            taken_back,
            on_exit_codes("FailJob", &EXIT_CODES),
            PodFailurePolicyRule {
                action: "FailJob".into(),
                on_exit_codes: None,
                on_pod_conditions: Some(vec![disrupted]),
            },
        ],
    }
}

fn on_exit_codes(action: &str, codes: &[i32]) -> PodFailurePolicyRule {
    PodFailurePolicyRule {
        action: action.into(),
        on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
            container_name: Some(names::CONTAINER.into()),
            operator: "In".into(),
            values: codes.into(),
        }),
        on_pod_conditions: None,
    }
}
