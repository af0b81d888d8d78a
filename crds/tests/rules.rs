//! The CEL rules of the definitions and the local rules refuse the same specs.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not recognise as tests

#[path = "common/specs.rs"]
mod specs;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::core::cel::Validator;
use serde_json::{Value, json};
use specs::{
    Change, allowed_changes, benchmark_json, broken_benchmarks, broken_trainings, changed,
    forbidden_changes, training_json,
};
use splade_crds::schema::{benchmark_spec, custom_resource_definitions, training_spec};
use splade_crds::validation::{validate_benchmark, validate_training};

#[test]
fn defaults_of_the_schema_are_those_of_the_types() {
    let written = json!({
        "apiVersion": "neuralsparse.dev/v1alpha1", "kind": "SpladeTraining",
        "metadata": {"name": "tiny"}, "spec": training_json(),
    });
    let typed: splade_crds::SpladeTraining = serde_json::from_value(written.clone()).unwrap();
    let defaulted = with_defaults(&written["spec"], &training_spec());
    assert_eq!(serde_json::to_value(&typed.spec).unwrap(), defaulted);
}

/// Fills in defaults as the API server does.
fn with_defaults(value: &Value, schema: &JSONSchemaProps) -> Value {
    match value {
        Value::Object(members) => {
            let mut filled = members.clone();
            for (name, field) in schema.properties.iter().flatten() {
                let present = members.get(name).cloned();
                if let Some(member) = present.or_else(|| field.default.clone().map(|json| json.0)) {
                    filled.insert(name.clone(), with_defaults(&member, field));
                }
            }
            Value::Object(filled)
        }
        Value::Array(items) => match &schema.items {
            Some(JSONSchemaPropsOrArray::Schema(schema)) => items
                .iter()
                .map(|item| with_defaults(item, schema))
                .collect(),
            _ => value.clone(),
        },
        other => other.clone(),
    }
}

fn cel_accepts(spec: &Value, old: Option<&Value>, schema: &JSONSchemaProps) -> bool {
    let schema_json = serde_json::to_value(schema).unwrap();
    let spec = with_defaults(spec, schema);
    let old = old.map(|old| with_defaults(old, schema));
    Validator::new()
        .validate(&schema_json, &spec, old.as_ref())
        .is_ok()
}

fn training_faults(spec: &Value) -> Vec<String> {
    let object = json!({
        "apiVersion": "neuralsparse.dev/v1alpha1", "kind": "SpladeTraining",
        "metadata": {"name": "tiny"}, "spec": spec,
    });
    let training = serde_json::from_value(object).unwrap();
    validate_training(&training)
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn benchmark_faults(spec: &Value) -> Vec<String> {
    let object = json!({
        "apiVersion": "neuralsparse.dev/v1alpha1", "kind": "SpladeBenchmark",
        "metadata": {"name": "tiny"}, "spec": spec,
    });
    let benchmark = serde_json::from_value(object).unwrap();
    validate_benchmark(&benchmark)
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn correct_specs_pass_both_kinds_of_rules() {
    assert!(cel_accepts(&training_json(), None, &training_spec()));
    assert_eq!(training_faults(&training_json()), [""; 0]);
    assert!(cel_accepts(&benchmark_json(), None, &benchmark_spec()));
    assert_eq!(benchmark_faults(&benchmark_json()), [""; 0]);
}

#[test]
fn cel_and_local_rules_refuse_the_same_specs() {
    let check = |base: &Value,
                 schema: &JSONSchemaProps,
                 faults: fn(&Value) -> Vec<String>,
                 broken: Vec<(Vec<Change>, &str)>| {
        for (changes, path) in broken {
            let spec = changed(base, &changes);
            let found = faults(&spec);
            assert_eq!(found.len(), 1, "{changes:?}: {found:?}");
            assert!(
                found[0].starts_with(&format!("{path}: ")),
                "{changes:?}: {found:?}"
            );
            assert!(!cel_accepts(&spec, None, schema), "CEL accepts {changes:?}");
        }
    };
    check(
        &training_json(),
        &training_spec(),
        training_faults,
        broken_trainings(),
    );
    check(
        &benchmark_json(),
        &benchmark_spec(),
        benchmark_faults,
        broken_benchmarks(),
    );
}

#[test]
fn local_rules_beyond_cel() {
    for (changes, expected) in [
        (
            vec![("/data/cache", json!("s3://bucket/cache"))],
            "spec.data.cache: must be a local folder: token shards are memory-mapped",
        ),
        (
            vec![("/optimizer", json!({"maxSteps": 5, "warmupSteps": 6}))],
            "spec.optimizer.warmupSteps: must not exceed maxSteps (5), found 6",
        ),
        (
            vec![("/export/uri", json!("runs"))],
            "spec.export.uri: must be another folder than checkpoint.uri, whose content is cleaned up",
        ),
        (
            vec![
                ("/export/uri", json!("out/")),
                ("/model/base", json!("file://./out/base")),
            ],
            "spec.export.uri: the folder is replaced by the exported model, and spec.model.base lies in it \
             (file://./out/base)",
        ),
        (
            vec![("/initFrom/trainingRef/name", json!("tiny"))],
            "spec.initFrom.trainingRef.name: a training cannot start from itself",
        ),
        (
            vec![("/gang/env", json!([{"name": "RANK", "value": "0"}]))],
            "spec.gang.env[0].name: RANK is set by the launcher for every rank",
        ),
        (
            vec![(
                "/gang/volumes",
                json!([
                    {"name": "a", "mountPath": "/dev/shm/", "source": {"emptyDir": {}}},
                ]),
            )],
            "spec.gang.volumes[0].mountPath: /dev/shm is the shared memory: set its size by sharedMemory",
        ),
        (
            vec![(
                "/gang/volumes",
                json!([
                    {"name": "a", "mountPath": "/data", "source": {"emptyDir": {}}},
                    {"name": "b", "mountPath": "/data/", "source": {"emptyDir": {}}},
                ]),
            )],
            "spec.gang.volumes[1].mountPath: volume \"a\" is mounted here already",
        ),
    ] {
        assert_eq!(
            training_faults(&changed(&training_json(), &changes)),
            [expected]
        );
    }
}

#[test]
fn unions_hold_exactly_one_member() {
    for from in [json!({}), json!({"uri": "a", "trainingRef": {"name": "b"}})] {
        let spec = changed(&training_json(), &[("/initFrom", from)]);
        assert!(!cel_accepts(&spec, None, &training_spec()), "{spec}");
    }
    let spec = changed(&training_json(), &[("/initFrom", json!({"uri": "a"}))]);
    assert!(cel_accepts(&spec, None, &training_spec()));
}

#[test]
fn the_recipe_is_immutable_and_the_rest_is_not() {
    let old = training_json();
    let allows =
        |changes: &[Change]| cel_accepts(&changed(&old, changes), Some(&old), &training_spec());
    for change in forbidden_changes() {
        assert!(!allows(std::slice::from_ref(&change)), "{change:?}");
    }
    assert!(allows(&[]));
    for change in allowed_changes() {
        assert!(allows(std::slice::from_ref(&change)), "{change:?}");
    }
}

#[test]
fn all_of_a_benchmark_is_immutable_but_when_it_is_deleted() {
    let schema = benchmark_spec();
    let old = changed(
        &benchmark_json(),
        &[
            ("/semantic", json!({"model": "dense"})),
            ("/compareTo", json!("BM25")),
        ],
    );
    let changes = [
        ("/model", json!({"uri": "other"})),
        ("/dataset/split", json!("dev")),
        ("/methods", json!(["BM25"])),
        ("/bm25/k1", json!("2")),
        ("/sparse/queryTopK", json!(5)),
        ("/semantic/model", json!("other")),
        ("/semantic", Value::Null),
        ("/hybrid/fusion", json!("Rrf")),
        (
            "/engine",
            json!({"openSearch": {"url": "http://search:9200"}}),
        ),
        ("/primaryMetric", json!("ndcg@10")),
        ("/compareTo", json!("Sparse")),
        ("/compareTo", Value::Null),
        ("/pod/devices", json!(2)),
    ];
    for field in schema.properties.iter().flatten().map(|(name, _)| name) {
        let pointer = format!("/{field}");
        let is_changed = changes.iter().any(|(at, _)| at.starts_with(&pointer));
        assert!(
            is_changed != (field == "ttlSecondsAfterFinished"),
            "{field}"
        );
    }
    for change in changes {
        let new = changed(&old, std::slice::from_ref(&change));
        assert!(
            cel_accepts(&new, None, &schema),
            "{change:?} is no valid benchmark"
        );
        assert!(
            !cel_accepts(&new, Some(&old), &schema),
            "{change:?} may be made"
        );
    }
    for ttl in [json!(0), json!(86_400)] {
        let new = changed(&old, &[("/ttlSecondsAfterFinished", ttl)]);
        assert!(cel_accepts(&new, Some(&old), &schema));
        assert!(cel_accepts(&old, Some(&new), &schema));
    }
    let entry = changed(
        &training_json(),
        &[("/benchmarks/0/ttlSecondsAfterFinished", json!(5))],
    );
    let refused = serde_json::from_value::<splade_crds::SpladeTrainingSpec>(entry);
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("ttlSecondsAfterFinished")
    );
}

#[test]
fn names_leave_room_for_what_is_made_from_them() {
    for (definition, longest) in custom_resource_definitions().iter().zip([36, 57]) {
        let schema = definition.spec.versions[0].schema.as_ref().unwrap();
        let root = serde_json::to_value(schema.open_api_v3_schema.as_ref().unwrap()).unwrap();
        let rules =
            json!({"type": "object", "x-kubernetes-validations": root["x-kubernetes-validations"]});
        let accepts = |name: &str| {
            let object = json!({"metadata": {"name": name}});
            Validator::new().validate(&rules, &object, None).is_ok()
        };
        assert!(accepts("a") && accepts(&"x".repeat(longest)));
        assert!(!accepts(&"x".repeat(longest + 1)) && !accepts("a.b") && !accepts("-a"));
    }
}
