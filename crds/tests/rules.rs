//! The CEL rules of the definitions and the local rules refuse the same specs.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not recognise as tests

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::core::cel::Validator;
use serde_json::{Value, json};
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

fn training_json() -> Value {
    json!({
        "model": {"base": "base"},
        "data": {"train": ["train.jsonl"]},
        "optimizer": {"epochs": 1},
        "checkpoint": {"uri": "runs", "everySteps": 1},
        "export": {"uri": "out"},
        "benchmarks": [{"name": "a", "dataset": {"name": "d", "uri": "d"}}],
    })
}

fn benchmark_json() -> Value {
    json!({"model": {"uri": "m"}, "dataset": {"name": "d", "uri": "d"}})
}

/// Changes to a correct spec, each of which breaks one rule. The two lists of a change: where, what.
fn changed(spec: &Value, changes: &[(&str, Value)]) -> Value {
    let mut spec = spec.clone();
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let mut object = &mut spec;
        for step in parent.split('/').filter(|step| !step.is_empty()) {
            object = match object {
                Value::Array(items) => &mut items[step.parse::<usize>().unwrap()],
                _ => object
                    .as_object_mut()
                    .unwrap()
                    .entry(step)
                    .or_insert_with(|| json!({})),
            };
        }
        match value {
            Value::Null => object.as_object_mut().unwrap().remove(name),
            value => object
                .as_object_mut()
                .unwrap()
                .insert(name.into(), value.clone()),
        };
    }
    spec
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

type Change = (&'static str, Value);

/// Broken trainings: the change, and the path at which the local rule reports it.
fn broken_trainings() -> Vec<(Vec<Change>, &'static str)> {
    vec![
        (
            vec![("/model/headRescale", json!("0"))],
            "spec.model.headRescale",
        ),
        (
            vec![
                ("/model/headRescale", json!("2")),
                ("/initFrom/uri", json!("x")),
            ],
            "spec.model.headRescale",
        ),
        (
            vec![("/loss/temperature", json!("0.0"))],
            "spec.loss.temperature",
        ),
        (
            vec![("/loss/flops/schedule/initialRatio", json!("1.5"))],
            "spec.loss.flops.schedule.initialRatio",
        ),
        (
            vec![
                ("/loss/flops/documents", json!("All")),
                ("/loss/flops/negative", json!("1")),
            ],
            "spec.loss.flops.negative",
        ),
        (vec![("/loss/infoNce", json!("0"))], "spec.loss.infoNce"),
        (
            vec![("/loss/distillation", json!({}))],
            "spec.loss.distillation",
        ),
        (
            vec![("/loss/distillation", json!({"kl": "1", "temperature": "0"}))],
            "spec.loss.distillation.temperature",
        ),
        (
            vec![
                ("/loss/distillation/kl", json!("1")),
                ("/data/hardNegatives", json!(0)),
            ],
            "spec.loss.distillation",
        ),
        (
            vec![
                ("/loss/flops/negative", json!("1")),
                ("/data/hardNegatives", json!(0)),
            ],
            "spec.loss.flops.negative",
        ),
        (vec![("/optimizer/maxSteps", json!(5))], "spec.optimizer"),
        (vec![("/optimizer/epochs", Value::Null)], "spec.optimizer"),
        (
            vec![
                ("/optimizer/warmupSteps", json!(5)),
                ("/optimizer/warmupRatio", json!("0.1")),
            ],
            "spec.optimizer",
        ),
        (
            vec![("/optimizer/warmupRatio", json!("1.1"))],
            "spec.optimizer.warmupRatio",
        ),
        (
            vec![("/optimizer/learningRate", json!("0e5"))],
            "spec.optimizer.learningRate",
        ),
        (
            vec![("/optimizer/epsilon", json!("0"))],
            "spec.optimizer.epsilon",
        ),
        (
            vec![("/optimizer/beta1", json!("1"))],
            "spec.optimizer.beta1",
        ),
        (
            vec![("/optimizer/beta2", json!("1.0"))],
            "spec.optimizer.beta2",
        ),
        (
            vec![("/checkpoint/everySteps", Value::Null)],
            "spec.checkpoint",
        ),
        (
            vec![("/gang/scheduler/type", json!("Kueue"))],
            "spec.gang.scheduler",
        ),
        (
            vec![("/gang/scheduler/queueName", json!("q"))],
            "spec.gang.scheduler",
        ),
        (
            vec![("/gang/env", json!([{"name": "A"}]))],
            "spec.gang.env[0]",
        ),
        (
            vec![("/runPolicy/backoff", json!({"maxSeconds": 5}))],
            "spec.runPolicy.backoff",
        ),
        (vec![("/export", Value::Null)], "spec.benchmarks"),
        (
            vec![("/benchmarks/0/compareTo", json!("Hybrid"))],
            "spec.benchmarks[0].compareTo",
        ),
    ]
}

fn broken_benchmarks() -> Vec<(Vec<Change>, &'static str)> {
    vec![
        (vec![("/methods", json!(["Semantic"]))], "spec.semantic"),
        (
            vec![("/methods", json!(["Hybrid"]))],
            "spec.hybrid.weights.semantic",
        ),
        (vec![("/compareTo", json!("Semantic"))], "spec.compareTo"),
        (
            vec![("/hybrid/weights", json!({"semantic": "0"}))],
            "spec.hybrid.weights",
        ),
        (vec![("/bm25/b", json!("1.01"))], "spec.bm25.b"),
        (vec![("/sparse/pruning", json!("1"))], "spec.sparse.pruning"),
    ]
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
    for pointer in ["/loss/temperature", "/optimizer/weightDecay"] {
        assert!(!allows(&[(pointer, json!("0.5"))]), "{pointer} may change");
    }
    assert!(!allows(&[("/model/base", json!("other"))]));
    assert!(!allows(&[("/data/hardNegatives", json!(2))]));
    assert!(!allows(&[("/initFrom/uri", json!("x"))]));
    assert!(!allows(&[("/checkpoint/uri", json!("x"))]));
    assert!(!allows(&[("/gang/nodes", json!(2))]));
    assert!(allows(&[]));
    assert!(allows(&[("/runPolicy/suspend", json!(true))]));
    assert!(allows(&[("/gang/image", json!("repository/image:2"))]));
    let old = benchmark_json();
    let changed = changed(&old, &[("/sparse/queryTopK", json!(5))]);
    assert!(!cel_accepts(&changed, Some(&old), &benchmark_spec()));
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
