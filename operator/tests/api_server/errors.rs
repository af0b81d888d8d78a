//! What users see of errors, and that errors cost little.

use crate::control_plane::ControlPlane;
use crate::lives::{job, rest, training};
use crate::operator::Operator;
use crate::wait::until;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, CustomResourceExt};
use serde_json::json;
use splade_crds::SpladeTraining;

fn progressing(object: &DynamicObject) -> Option<Condition> {
    let conditions = object.data.pointer("/status/conditions")?;
    let conditions: Vec<Condition> = serde_json::from_value(conditions.clone()).unwrap();
    conditions
        .into_iter()
        .find(|one| one.type_ == "Progressing")
}

/// The condition that says what goes wrong, for a reason.
async fn error(trainings: &Api<DynamicObject>, name: &str, reason: &str) -> Condition {
    until("the error shows", || async {
        let object = trainings.get(name).await.unwrap();
        progressing(&object).filter(|one| one.reason == reason)
    })
    .await
}

fn untyped(plane: &ControlPlane) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<SpladeTraining>(&());
    Api::namespaced_with(plane.client.clone(), "default", &resource)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_shows_and_is_tried_again() {
    let plane = ControlPlane::start().await;
    let maps: Api<ConfigMap> = plane.api();
    let foreign = ConfigMap {
        metadata: ObjectMeta {
            name: Some("tiny-a1".to_owned()),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    };
    maps.create(&PostParams::default(), &foreign).await.unwrap();
    let operator = Operator::start(&plane, "one").await;
    let trainings = plane.api::<SpladeTraining>();
    trainings
        .create(&PostParams::default(), &training("tiny"))
        .await
        .unwrap();
    let untyped = untyped(&plane);
    let shown = error(&untyped, "tiny", "ReconcileError").await;
    assert_eq!(shown.status, "False");
    assert!(
        shown
            .message
            .contains("configmaps tiny-a1 exists and belongs to somebody else"),
        "{}",
        shown.message
    );
    let failures = || {
        let labels = [("category", "foreign_object")];
        operator.metric("splade_operator_reconcile_errors_total", &labels)
    };
    let failed = async |times: f64| {
        until("it is tried again", || async {
            (failures() >= times).then_some(())
        })
        .await;
    };
    // Tried again with pauses, and nothing written: a condition that came and went would wake everybody.
    failed(3.0).await;
    let version = async || {
        trainings
            .get("tiny")
            .await
            .unwrap()
            .metadata
            .resource_version
    };
    let before = version().await;
    failed(4.0).await;
    rest(&operator).await;
    assert_eq!(version().await, before);
    assert!(failures() < 10.0, "{} tries", failures());
    maps.delete("tiny-a1", &DeleteParams::default())
        .await
        .unwrap();
    job(&plane, "tiny-a1").await;
    until("the error goes", || async {
        let object = untyped.get("tiny").await.unwrap();
        progressing(&object).filter(|one| one.reason != "ReconcileError")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_cannot_be_read_says_so_once_and_holds_nobody_up() {
    let plane = ControlPlane::start().await;
    anything_goes(&plane).await;
    let operator = Operator::start(&plane, "one").await;
    let untyped = untyped(&plane);
    let mut broken = DynamicObject::new("broken", &ApiResource::erase::<SpladeTraining>(&()));
    broken.data = json!({"spec": {"optimizer": 7}});
    // The definition may take a moment to change.
    until("the API server takes it", || async {
        untyped.create(&PostParams::default(), &broken).await.ok()
    })
    .await;
    let shown = error(&untyped, "broken", "InvalidObject").await;
    assert!(
        shown.message.contains("cannot read the object"),
        "{}",
        shown.message
    );
    let version = untyped
        .get("broken")
        .await
        .unwrap()
        .metadata
        .resource_version;
    let reconciles = operator.metric("splade_operator_reconciles_total", &[]);
    rest(&operator).await;
    assert_eq!(
        untyped
            .get("broken")
            .await
            .unwrap()
            .metadata
            .resource_version,
        version
    );
    let more = operator.metric("splade_operator_reconciles_total", &[]) - reconciles;
    assert!(
        more <= 1.0,
        "{more} reconciles of an object that has not changed"
    );
    plane
        .api::<SpladeTraining>()
        .create(&PostParams::default(), &training("tiny"))
        .await
        .unwrap();
    job(&plane, "tiny-a1").await;
}

/// Lets the definition take any object, as one of another version might.
async fn anything_goes(plane: &ControlPlane) {
    let definitions: Api<CustomResourceDefinition> = Api::all(plane.client.clone());
    let schema = JSONSchemaProps {
        type_: Some("object".to_owned()),
        x_kubernetes_preserve_unknown_fields: Some(true),
        ..JSONSchemaProps::default()
    };
    let patch = json!([
        {"op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema", "value": schema},
        {"op": "remove", "path": "/spec/versions/0/selectableFields"},
    ]);
    let patch: Patch<()> = Patch::Json(serde_json::from_value(patch).unwrap());
    let name = SpladeTraining::crd_name();
    definitions
        .patch(name, &PatchParams::default(), &patch)
        .await
        .unwrap();
}
