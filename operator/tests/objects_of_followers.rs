//! The objects of exports and benchmarks, and names.
#![allow(clippy::unwrap_used)]

mod common;

use common::manifest::{benchmark, training};
use common::merge::merge;
use common::objects::{env, job, json_of, labels, pod, settings};
use common::{TRACE, start};
use serde_json::{Value, json};
use splade_operator::attempts;
use splade_operator::benchmark::{ValidBenchmark, build as benchmark_build};
use splade_operator::settings::ClusterOffers;
use splade_operator::training::{ValidTraining, build};

#[test]
fn an_export_is_one_pod_without_devices() {
    let mut changes = json!({"gang": {"scheduler": {"type": "PodGroup"}}});
    merge(
        &mut changes,
        json!({"gang": {"nodeSelector": {"pool": "b200"}}}),
    );
    let training = training(changes);
    let valid = ValidTraining::new(&training).unwrap();
    let record = attempts::begin(2, TRACE, start());
    let offers = ClusterOffers::default();
    let built = build::export(&valid, &record, None, &offers, &settings()).unwrap();
    let objects: Vec<_> = built.iter().map(json_of).collect();
    assert_eq!(objects.len(), 2);
    assert_eq!(job(&objects)["metadata"]["name"], "tiny-export-2");
    assert_eq!(
        job(&objects)["metadata"]["labels"],
        labels("export", "training", "tiny", "2")
    );
    assert_eq!(job(&objects)["spec"]["completions"], 1);
    assert!(
        job(&objects)["spec"]["activeDeadlineSeconds"]
            .as_i64()
            .unwrap()
            > 0
    );
    let container = &pod(&objects)["containers"][0];
    assert_eq!(
        container["command"],
        json!(["splade-job", "export", "-f", "/etc/splade/training.yaml"])
    );
    assert_eq!(container["resources"], json!({}));
    assert_eq!(pod(&objects).get("schedulingGroup"), None);
    assert_eq!(env(&objects, "MASTER_ADDR"), None);
}

#[test]
fn a_benchmark_of_a_training_refers_to_it() {
    let training = training(json!({}));
    let valid = ValidTraining::new(&training).unwrap();
    let mut built = build::benchmark(&valid, &training.spec.benchmarks[0]);
    let object = serde_json::to_value(&built).unwrap();
    assert_eq!(object["metadata"]["name"], "tiny-strategy");
    assert_eq!(
        object["metadata"]["ownerReferences"][0]["uid"],
        "training-uid"
    );
    assert_eq!(
        object["metadata"]["labels"]["neuralsparse.dev/training"],
        "tiny"
    );
    assert_eq!(
        object["spec"]["model"],
        json!({"trainingRef": {"name": "tiny"}})
    );
    assert_eq!(object["spec"]["dataset"]["uri"], "s3://data/s");
    assert_eq!(object["spec"].get("name"), None);
    built.metadata.uid = Some("given by the API server".into());
    assert!(ValidBenchmark::new(&built).is_ok());
}

/// The environment of the benchmark that a training makes.
fn inherited(gang_env: Value, endpoint: Option<&str>, entry_env: Value) -> Value {
    let mut training = training(json!({
        "gang": {"env": gang_env}, "telemetry": {"otlpEndpoint": endpoint}
    }));
    training.spec.benchmarks[0].plan.pod.settings.env = serde_json::from_value(entry_env).unwrap();
    let valid = ValidTraining::new(&training).unwrap();
    let built = build::benchmark(&valid, &training.spec.benchmarks[0]);
    serde_json::to_value(&built.spec.plan.pod.settings.env).unwrap()
}

fn variable(name: &str, value: &str) -> Value {
    json!({"name": name, "value": value})
}

#[test]
fn a_benchmark_of_a_training_sends_its_traces_where_the_training_does() {
    let manifest = Some("http://collector:4317");
    let endpoint = variable("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317");
    let own = variable("HF_HOME", "/cache");
    assert_eq!(inherited(json!([]), None, json!([own])), json!([own]));
    assert_eq!(
        inherited(json!([own]), manifest, json!([])),
        json!([endpoint])
    );
    assert_eq!(
        inherited(json!([]), manifest, json!([own])),
        json!([own, endpoint])
    );
    // How the collector is spoken to belongs to where it is.
    let other = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://other:4318");
    let protocol = variable("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
    let secret = json!({"name": "OTEL_EXPORTER_OTLP_HEADERS",
        "valueFrom": {"secretKeyRef": {"name": "collector", "key": "headers"}}});
    let all = json!([own, other, protocol, secret]);
    assert_eq!(
        inherited(all.clone(), None, json!([])),
        json!([other, protocol, secret])
    );
    assert_eq!(
        inherited(all.clone(), manifest, json!([])),
        json!([protocol, secret, endpoint])
    );
    // An entry with a collector of its own keeps to it.
    assert_eq!(inherited(all, manifest, json!([other])), json!([other]));
    // The API server takes 64 variables.
    let full: Vec<_> = (0..64).map(|n| variable(&format!("V{n}"), "")).collect();
    assert_eq!(inherited(json!([]), manifest, json!(full)), json!(full));
}

#[test]
fn a_benchmark_is_one_pod_that_reads_where_the_model_lies() {
    let benchmark = benchmark(json!({
        "model": {"uri": null, "trainingRef": {"name": "tiny"}}, "pod": {"devices": 2}
    }));
    let valid = ValidBenchmark::new(&benchmark).unwrap();
    let record = attempts::begin(1, TRACE, start());
    let built = benchmark_build::attempt(&valid, &record, "s3://models/tiny", &settings()).unwrap();
    let objects: Vec<_> = built.iter().map(json_of).collect();
    assert_eq!(objects.len(), 2);
    assert_eq!(job(&objects)["metadata"]["name"], "row-b1");
    assert_eq!(
        job(&objects)["metadata"]["labels"],
        labels("benchmark", "benchmark", "row", "1")
    );
    assert_eq!(
        job(&objects)["metadata"]["ownerReferences"][0]["kind"],
        "SpladeBenchmark"
    );
    let container = &pod(&objects)["containers"][0];
    assert_eq!(
        container["command"],
        json!([
            "splade-job",
            "benchmark",
            "-f",
            "/etc/splade/benchmark.yaml"
        ])
    );
    assert_eq!(
        container["resources"]["limits"],
        json!({"nvidia.com/gpu": "2"})
    );
    let text = objects[0]["data"]["benchmark.yaml"].as_str().unwrap();
    let manifest: Value = serde_json::from_str(text).unwrap();
    assert_eq!(
        manifest["spec"]["model"],
        json!({"uri": "s3://models/tiny"})
    );
    assert!(splade_crds::manifest::parse(text).is_ok());
}

#[test]
fn names_stay_within_what_kubernetes_accepts() {
    use splade_operator::labels::Component;
    use splade_operator::names;
    let (training, entry) = ("t".repeat(36), "e".repeat(20));
    let benchmark = names::of_benchmark(&training, &entry);
    assert_eq!(benchmark.len(), 57, "the longest name of a benchmark");
    // A pod is called after its Job, its place and five characters; its host name has to be a label.
    for (name, place) in [
        (
            names::of_attempt(Component::Training, &training, 11_000),
            "-1023",
        ),
        (names::of_attempt(Component::Export, &training, 13), "-0"),
        (
            names::of_attempt(Component::Benchmark, &benchmark, 12),
            "-0",
        ),
    ] {
        assert!(name.len() + place.len() <= 63, "{name}{place}");
    }
}
