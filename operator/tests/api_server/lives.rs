//! What an operator does for a training, request by request.

use crate::control_plane::ControlPlane;
use crate::operator::Operator;
use crate::specs::training_json;
use crate::wait::{until, until_is};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;
use splade_crds::{SpladeTraining, SpladeTrainingStatus};

/// A correct training.
pub fn training(name: &str) -> SpladeTraining {
    let object = json!({
        "apiVersion": "neuralsparse.dev/v1alpha1", "kind": "SpladeTraining",
        "metadata": {"name": name}, "spec": training_json(),
    });
    serde_json::from_value(object).unwrap()
}

/// Creates a training, and waits until its Job is there.
pub async fn begin(plane: &ControlPlane, name: &str) -> Job {
    let trainings: Api<SpladeTraining> = plane.api();
    trainings
        .create(&PostParams::default(), &training(name))
        .await
        .unwrap();
    job(plane, &format!("{name}-a1")).await
}

/// Waits until a Job is there.
pub async fn job(plane: &ControlPlane, name: &str) -> Job {
    let jobs: Api<Job> = plane.api();
    until("the Job is created", || async {
        jobs.get_opt(name).await.unwrap()
    })
    .await
}

/// Deletes the Job of an attempt, so that another attempt follows.
pub async fn restart(plane: &ControlPlane, job_name: &str) {
    let jobs: Api<Job> = plane.api();
    jobs.delete(job_name, &DeleteParams::background())
        .await
        .unwrap();
}

/// The status of a training.
pub async fn status(plane: &ControlPlane, name: &str) -> SpladeTrainingStatus {
    let trainings: Api<SpladeTraining> = plane.api();
    trainings.get(name).await.unwrap().status.unwrap()
}

/// Waits for the end of two more renewals of the lease, so that whoever still acts has had its turn.
pub async fn rest(operator: &Operator) {
    let renewals = operator.renewals();
    until("the lease is renewed", || async {
        (operator.renewals() >= renewals + 2.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_costs_few_requests_and_none_at_rest() {
    let plane = ControlPlane::start().await;
    let operator = Operator::start(&plane, "one").await;
    begin(&plane, "tiny").await;
    let trainings: Api<SpladeTraining> = plane.api();
    until("the Job is known to be there", || async {
        let status = trainings.get("tiny").await.unwrap().status?;
        status.attempts.last()?.job_uid.clone()
    })
    .await;
    plane.api::<Service>().get("tiny-a1").await.unwrap();
    let map = plane.api::<ConfigMap>().get("tiny-a1").await.unwrap();
    assert_eq!(map.immutable, Some(true));
    rest(&operator).await;
    // Two statuses, three objects, one Event.
    let requests = operator.requests();
    assert_eq!(requests, 6.0);
    rest(&operator).await;
    assert_eq!(operator.requests(), requests);
    assert_eq!(
        operator.metric("splade_operator_trainings", &[("state", "Starting")]),
        1.0
    );
    assert!(operator.end().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_gone_is_made_good_by_the_next_attempt() {
    let plane = ControlPlane::start().await;
    let operator = Operator::start(&plane, "one").await;
    begin(&plane, "tiny").await;
    restart(&plane, "tiny-a1").await;
    job(&plane, "tiny-a2").await;
    let status = status(&plane, "tiny").await;
    assert_eq!(status.attempt, Some(2));
    assert_eq!(status.restarts.infrastructure, 1);
    let traces: Vec<_> = status
        .attempts
        .iter()
        .map(|attempt| attempt.traceparent.clone())
        .collect();
    assert!(traces[0].is_some() && traces[1].is_some() && traces[0] != traces[1]);
    // What the first attempt had is gone, what the second needs is there.
    let names = async || {
        let maps = plane
            .api::<ConfigMap>()
            .list(&Default::default())
            .await
            .unwrap();
        let ours = maps.items.into_iter().filter_map(|map| map.metadata.name);
        ours.filter(|name| name.starts_with("tiny"))
            .collect::<Vec<_>>()
    };
    until_is(
        "the first attempt's objects are gone",
        vec!["tiny-a2".to_owned()],
        names,
    )
    .await;
    let restarts = operator.metric(
        "splade_operator_training_restarts_total",
        &[("cause", "Infrastructure")],
    );
    assert_eq!(restarts, 1.0);
}
