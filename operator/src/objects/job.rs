//! The Job of an attempt: all its pods once, none of them again.

use super::{Attempt, PodPlan, scheduler};
use crate::names;
use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
};

/// Exit codes by which the job says what went wrong.
const EXIT_CODES: [i32; 6] = [64, 65, 66, 70, 75, 78];

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
        pod_failure_policy: Some(fails_as_a_whole()),
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

/// The first pod that fails or is taken away ends the Job at once.
fn fails_as_a_whole() -> PodFailurePolicy {
    let fail_job = |on_exit_codes, on_pod_conditions| PodFailurePolicyRule {
        action: "FailJob".into(),
        on_exit_codes,
        on_pod_conditions,
    };
    let codes = PodFailurePolicyOnExitCodesRequirement {
        container_name: Some(names::CONTAINER.into()),
        operator: "In".into(),
        values: EXIT_CODES.into(),
    };
    let disrupted = PodFailurePolicyOnPodConditionsPattern {
        type_: "DisruptionTarget".into(),
        status: Some("True".into()),
    };
    PodFailurePolicy {
        rules: vec![
            fail_job(Some(codes), None),
            fail_job(None, Some(vec![disrupted])),
        ],
    }
}
