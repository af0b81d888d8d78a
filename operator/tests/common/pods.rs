//! What happens to pods.

use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
    ContainerStatus, Pod, PodCondition, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

fn status(pod: &mut Pod) -> &mut PodStatus {
    pod.status.get_or_insert_default()
}

fn container(pod: &mut Pod, state: ContainerState) {
    status(pod).container_statuses = Some(vec![ContainerStatus {
        name: "job".into(),
        state: Some(state),
        ..ContainerStatus::default()
    }]);
}

pub fn phase(pod: &Pod) -> &str {
    pod.status
        .as_ref()
        .and_then(|status| status.phase.as_deref())
        .unwrap_or("Pending")
}

pub fn exit_code(pod: &Pod) -> Option<i32> {
    let container = pod.status.as_ref()?.container_statuses.as_ref()?.first()?;
    let ended = container.state.as_ref()?.terminated.as_ref()?;
    Some(ended.exit_code)
}

pub fn may_run(pod: &Pod) -> bool {
    !matches!(phase(pod), "Succeeded" | "Failed")
}

pub fn is_pending(pod: &Pod) -> bool {
    phase(pod) == "Pending"
}

pub fn run(pod: &mut Pod, node: &str, now: Timestamp) {
    pod.spec.get_or_insert_default().node_name = Some(node.into());
    status(pod).phase = Some("Running".into());
    let running = ContainerStateRunning {
        started_at: Some(Time(now)),
    };
    container(
        pod,
        ContainerState {
            running: Some(running),
            ..ContainerState::default()
        },
    );
}

pub fn wait(pod: &mut Pod, node: &str, reason: &str, message: &str) {
    pod.spec.get_or_insert_default().node_name = Some(node.into());
    let waiting = ContainerStateWaiting {
        reason: Some(reason.into()),
        message: Some(message.into()),
    };
    container(
        pod,
        ContainerState {
            waiting: Some(waiting),
            ..ContainerState::default()
        },
    );
}

pub fn exit(pod: &mut Pod, code: i32, reason: &str, message: &str, now: Timestamp) {
    status(pod).phase = Some(if code == 0 { "Succeeded" } else { "Failed" }.into());
    let terminated = ContainerStateTerminated {
        exit_code: code,
        reason: Some(reason.into()),
        message: (!message.is_empty()).then(|| message.into()),
        finished_at: Some(Time(now)),
        ..ContainerStateTerminated::default()
    };
    container(
        pod,
        ContainerState {
            terminated: Some(terminated),
            ..ContainerState::default()
        },
    );
}

pub fn condition(pod: &mut Pod, kind: &str, truth: &str, reason: &str, message: &str) {
    status(pod)
        .conditions
        .get_or_insert_default()
        .push(PodCondition {
            type_: kind.into(),
            status: truth.into(),
            reason: Some(reason.into()),
            message: Some(message.into()),
            ..PodCondition::default()
        });
}

pub fn delete(pod: &mut Pod, grace: i64, now: Timestamp) {
    if pod.metadata.deletion_timestamp.is_none() {
        pod.metadata.deletion_grace_period_seconds = Some(grace);
        let seconds = now.as_second() + grace;
        let until = Timestamp::from_second(seconds).unwrap();
        pod.metadata.deletion_timestamp = Some(Time(until));
    }
}
