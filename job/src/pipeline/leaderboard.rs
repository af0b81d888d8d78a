//! One line a benchmark, as `kubectl get spladebenchmarks` shows it.

use comfy_table::{Table, presets};
use splade_retrieval::{BenchmarkReport, Metric};

/// A benchmark by name, with its report.
#[derive(Debug)]
pub struct Row {
    /// Name of the resource.
    pub name: String,
    /// What it found.
    pub report: BenchmarkReport,
    /// Where the report is kept, if it is.
    pub place: Option<String>,
    /// `sha256:` and the digest of the model's weights.
    pub model_digest: String,
}

/// The table. BM25 is that of the first analyzer of a benchmark.
pub fn leaderboard(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header([
        "NAME",
        "DATASET",
        "DOCUMENTS",
        "QUERIES",
        "METRIC",
        "BM25",
        "SPARSE",
    ]);
    for Row { name, report, .. } in rows {
        let metric = report.primary_metric;
        table.add_row([
            name.clone(),
            report.dataset.clone(),
            report.documents.to_string(),
            report.queries.to_string(),
            metric.name().to_owned(),
            score(report, "bm25", metric),
            score(report, "sparse", metric),
        ]);
    }
    table.to_string()
}

fn score(report: &BenchmarkReport, method: &str, metric: Metric) -> String {
    let result = report.results.iter().find(|result| result.method == method);
    result.map_or_else(
        || "-".to_owned(),
        |result| format!("{:.1}%", result.metrics.get(metric) * 100.0),
    )
}
