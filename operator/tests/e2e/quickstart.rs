//! The quickstart's manifest as it is shipped, from `kubectl apply` to scores.

use crate::cluster::{json, key, object, put_folder, repository, run, setting};
use crate::interruptions::budgets;
use crate::team::{Team, poll};
use crate::traces::{orphans, spans_of};
use serde_json::Value;
use splade_crds::SpladeBenchmark;
use std::path::Path;

const MANIFEST: &str = "configs/quickstart-kubernetes.yaml";

#[tokio::test]
async fn from_apply_to_scores() {
    let team = Team::new("quickstart").await;
    base_model();
    let manifest = std::fs::read_to_string(repository().join(MANIFEST)).unwrap();
    // A cluster that was kept has the checkpoints of an earlier run, which this one would continue.
    let own = format!("s3://splade/e2e/{}/checkpoints", team.prefix);
    team.apply(&manifest.replace("s3://splade/checkpoints/quickstart", &own))
        .unwrap();
    let end = team.succeeded("quickstart").await;
    assert_eq!(budgets(&end), (Some(1), 0, 0));
    team.until("quickstart", "it is benchmarked", |status| {
        crate::team::is(status, "Benchmarked")
    })
    .await;

    let row: SpladeBenchmark = team.api().get("quickstart-heldout").await.unwrap();
    let status = row.status.expect("the benchmark has a status");
    let summary = status.summary.expect("the benchmark has a summary");
    let (bm25, sparse) = (summary.bm25.unwrap(), summary.sparse.unwrap());
    let table = team.kubectl(&["get", "spladebenchmarks"]);
    assert!(table.contains(&bm25) && table.contains(&sparse), "{table}");
    let report = json(key(&status.report_uri.expect("the report is published")));
    assert_eq!(
        sparse_in(&report),
        percent(&sparse),
        "the table says what the report says"
    );
    let model = end.model.expect("the model is exported");
    assert_eq!(status.model_digest.as_deref(), Some(model.digest.as_str()));
    assert!(
        object(&format!("{}/modules.json", key(&model.uri))).is_some(),
        "it loads into sentence-transformers"
    );

    one_trace(
        end.attempts[0]
            .traceparent
            .as_deref()
            .expect("the attempt has a trace"),
    )
    .await;

    for table in [table, team.kubectl(&["get", "spladetrainings"])] {
        let widest = table
            .lines()
            .map(|line| line.trim_end().len())
            .max()
            .unwrap_or_default();
        assert!(widest <= 100, "{widest} columns:\n{table}");
    }
    team.assert_tidy().await;
    team.delete("quickstart").await;
}

/// Waits until the attempt's trace is whole: from the operator's root over the launcher and the ranks to the benchmark.
async fn one_trace(traceparent: &str) {
    let expected = [
        ("splade-operator", "attempt"),
        ("splade-job", "launch"),
        ("splade-job", "run"),
        ("splade-job", "epoch"),
        ("splade-job", "checkpoint"),
        ("splade-job", "export"),
        ("splade-job", "benchmark"),
    ];
    poll("the trace is whole", async || {
        let spans = spans_of(traceparent);
        let arrived = |one: &(&str, &str)| {
            spans
                .iter()
                .any(|span| (span.service.as_str(), span.name.as_str()) == *one)
        };
        (expected.iter().all(arrived) && orphans(&spans).is_empty()).then_some(())
    })
    .await;
}

/// The model that the manifest starts from.
fn base_model() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    let out = model.to_str().unwrap();
    let arguments = "init --text data/quickstart/corpus.jsonl data/quickstart/train.jsonl --vocab-size 4000 --hidden-size 256 --out";
    let arguments: Vec<&str> = arguments.split(' ').chain([out]).collect();
    run(&setting("SPLADE_E2E_JOB"), &arguments, "").unwrap();
    put_folder(Path::new(&model), "models/quickstart-base");
    put_folder(&repository().join("data/quickstart"), "data/quickstart");
}

/// success@1 of the sparse method, in tenths of a per cent.
fn sparse_in(report: &Value) -> i64 {
    let results = report["report"]["results"]
        .as_array()
        .expect("a report has results");
    let sparse = results
        .iter()
        .find(|one| one["method"] == "sparse")
        .expect("the model was measured");
    tenths(
        sparse["metrics"]["success_at_1"]
            .as_f64()
            .expect("it has a success@1")
            * 100.0,
    )
}

fn percent(text: &str) -> i64 {
    tenths(text.trim_end_matches('%').parse().unwrap())
}

#[expect(clippy::cast_possible_truncation, reason = "a percentage is small")]
fn tenths(percent: f64) -> i64 {
    (percent * 10.0).round() as i64
}
