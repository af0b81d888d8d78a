//! Objects as the API server would be sent them.

use super::manifest::training;
use super::{TRACE, start};
use serde_json::{Value, json};
use splade_operator::attempts;
use splade_operator::objects::Object;
use splade_operator::settings::{ClusterOffers, Settings};
use splade_operator::training::{ValidTraining, build};

pub fn settings() -> Settings {
    Settings {
        job_image: "registry.example/splade-job:1".into(),
    }
}

pub fn json_of(object: &Object) -> Value {
    match object {
        Object::Service(object) => serde_json::to_value(object),
        Object::ConfigMap(object) => serde_json::to_value(object),
        Object::PodGroup(_, object) => serde_json::to_value(object),
        Object::Job(object) => serde_json::to_value(object),
        Object::Benchmark(object) => serde_json::to_value(object),
    }
    .unwrap()
}

/// The objects of attempt 3 of a training with these changes.
pub fn attempt_with(changes: Value, offers: ClusterOffers) -> Vec<Value> {
    let training = training(changes);
    let valid = ValidTraining::new(&training).unwrap();
    let record = attempts::begin(3, TRACE, start());
    let objects = build::attempt(&valid, &record, None, &offers, &settings()).unwrap();
    objects.iter().map(json_of).collect()
}

pub fn attempt(changes: Value) -> Vec<Value> {
    attempt_with(changes, ClusterOffers::default())
}

pub fn job(objects: &[Value]) -> &Value {
    objects.last().unwrap()
}

pub fn pod(objects: &[Value]) -> &Value {
    &job(objects)["spec"]["template"]["spec"]
}

pub fn env<'a>(objects: &'a [Value], name: &str) -> Option<&'a Value> {
    let variables = pod(objects)["containers"][0]["env"].as_array().unwrap();
    let mut named = variables.iter().filter(|variable| variable["name"] == name);
    let found = named.next();
    assert!(named.next().is_none(), "{name} is there twice");
    found
}

pub fn labels(component: &str, owner: &str, name: &str, attempt: &str) -> Value {
    json!({
        "app.kubernetes.io/name": "splade-job",
        "app.kubernetes.io/managed-by": "splade-operator",
        "app.kubernetes.io/component": component,
        format!("neuralsparse.dev/{owner}"): name,
        "neuralsparse.dev/attempt": attempt,
    })
}
