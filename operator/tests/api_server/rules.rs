//! Every rule of the definitions, once, where it counts: in the API server.

use crate::control_plane::ControlPlane;
use crate::specs::{
    Change, allowed_changes, benchmark_json, broken_benchmarks, broken_trainings, changed,
    forbidden_changes, training_json,
};
use kube::api::{DynamicObject, PostParams};
use kube::core::ApiResource;
use kube::{Api, Resource};
use serde_json::{Value, json};
use splade_crds::{SpladeBenchmark, SpladeTraining};

fn objects<K: Resource<DynamicType = ()>>(plane: &ControlPlane) -> Api<DynamicObject> {
    Api::namespaced_with(
        plane.client.clone(),
        "default",
        &ApiResource::erase::<K>(&()),
    )
}

fn object<K: Resource<DynamicType = ()>>(name: &str, spec: &Value) -> DynamicObject {
    let mut object = DynamicObject::new(name, &ApiResource::erase::<K>(&()));
    object.data = json!({"spec": spec});
    object
}

/// What the API server says to a spec; None where it takes it.
async fn refusal<K: Resource<DynamicType = ()>>(
    plane: &ControlPlane,
    spec: &Value,
) -> Option<String> {
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let created = objects::<K>(plane)
        .create(&dry_run, &object::<K>("tiny", spec))
        .await;
    match created {
        Ok(_) => None,
        Err(kube::Error::Api(status)) if status.code == 422 => Some(status.message),
        Err(error) => panic!("{error}"),
    }
}

async fn check<K: Resource<DynamicType = ()>>(
    plane: &ControlPlane,
    correct: &Value,
    broken: Vec<(Vec<Change>, &'static str)>,
) {
    assert_eq!(refusal::<K>(plane, correct).await, None);
    for (changes, _) in broken {
        let refused = refusal::<K>(plane, &changed(correct, &changes)).await;
        assert!(refused.is_some(), "the API server takes {changes:?}");
    }
}

#[tokio::test]
async fn the_api_server_refuses_what_breaks_a_rule() {
    let plane = ControlPlane::start().await;
    check::<SpladeTraining>(&plane, &training_json(), broken_trainings()).await;
    check::<SpladeBenchmark>(&plane, &benchmark_json(), broken_benchmarks()).await;

    let trainings = objects::<SpladeTraining>(&plane);
    let created = object::<SpladeTraining>("tiny", &training_json());
    let before = trainings
        .create(&PostParams::default(), &created)
        .await
        .unwrap();
    let replace = async |change: Change| {
        let mut after = before.clone();
        let pointer = format!("/spec{}", change.0);
        let data = changed(&before.data, &[(pointer.as_str(), change.1)]);
        after.data = data;
        let dry_run = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        trainings.replace("tiny", &dry_run, &after).await
    };
    for change in forbidden_changes() {
        let said = replace(change.clone())
            .await
            .expect_err("the recipe is immutable")
            .to_string();
        assert!(said.contains("immutable"), "{change:?}: {said}");
    }
    for change in allowed_changes() {
        replace(change).await.unwrap();
    }
    let long = object::<SpladeTraining>(&"x".repeat(37), &training_json());
    let said = trainings
        .create(&PostParams::default(), &long)
        .await
        .unwrap_err()
        .to_string();
    assert!(said.contains("at most 36 characters"), "{said}");
}
