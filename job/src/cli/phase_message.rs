//! What a pod of an export or of a benchmark leaves behind: its termination message.

use super::failure::Failure;
use super::last_words::{LastWords, failed, succeeded};
use crate::pipeline::{Results, Row};
use splade_crds::benchmark::{
    Analyzer, BenchmarkSummary, DatasetStatus, Method, MethodStatus, SpladeBenchmarkStatus,
};
use splade_crds::training::ActiveDimensions;
use splade_launch::{MAX_TERMINATION_BYTES, ModelMessage, TerminationMessage};
use splade_retrieval::{BenchmarkReport, MethodResult, Metric};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

/// Runs a phase and, in a pod, writes down how it ended, whichever way that is: also a panic, which goes on after.
///
/// # Errors
/// The failure of the phase.
pub(super) fn conclude(
    file: Option<&Path>,
    message_of: fn(&Results) -> Result<TerminationMessage, Failure>,
    phase: impl FnOnce(&LastWords) -> Result<Results, Failure>,
) -> Result<(), Failure> {
    let last_words = LastWords::new(file);
    let ended = match catch_unwind(AssertUnwindSafe(|| phase(&last_words))) {
        Ok(ended) => ended,
        Err(panic) => {
            let failure = Failure::software("the program panicked; its log says where");
            last_words.put(&failed(&failure));
            resume_unwind(panic)
        }
    };
    let message = ended.and_then(|results| message_of(&results));
    last_words.put(&message.as_ref().map_or_else(failed, Clone::clone));
    message.map(drop)
}

/// The message of a successful export.
///
/// # Errors
/// Never.
pub(super) fn of_export(results: &Results) -> Result<TerminationMessage, Failure> {
    let model = results.models.last().map(|model| ModelMessage {
        uri: model.uri.clone(),
        digest: model.digest.clone(),
    });
    Ok(TerminationMessage {
        model,
        ..succeeded()
    })
}

/// The message of a successful benchmark. Where all figures are more than Kubernetes keeps, those of single methods
/// are left out, and the log says so: the report has them.
///
/// # Errors
/// A method or analyzer that the API does not know.
pub(super) fn of_benchmark(results: &Results) -> Result<TerminationMessage, Failure> {
    let Some(row) = results.rows.last() else {
        return Ok(succeeded());
    };
    let status = status(row)?;
    let whole = with(&status)?;
    let fits = whole
        .to_json()
        .is_ok_and(|json| json.len() <= MAX_TERMINATION_BYTES);
    if fits {
        return Ok(whole);
    }
    tracing::warn!(
        "the results of single methods do not fit the termination message: see the report"
    );
    with(&SpladeBenchmarkStatus {
        results: Vec::new(),
        ..status
    })
}

fn with(status: &SpladeBenchmarkStatus) -> Result<TerminationMessage, Failure> {
    Ok(TerminationMessage {
        benchmark: Some(serde_json::to_value(status).map_err(Failure::software)?),
        ..succeeded()
    })
}

/// What a SpladeBenchmark's status tells of a row.
fn status(row: &Row) -> Result<SpladeBenchmarkStatus, Failure> {
    let report = &row.report;
    let results: Result<_, Failure> = report.results.iter().map(method_status).collect();
    Ok(SpladeBenchmarkStatus {
        dataset: Some(DatasetStatus {
            queries: report.queries as u64,
            documents: report.documents as u64,
        }),
        results: results?,
        summary: Some(summary(report)),
        report_uri: row.place.clone(),
        model_digest: Some(row.model_digest.clone()),
        ..SpladeBenchmarkStatus::default()
    })
}

fn summary(report: &BenchmarkReport) -> BenchmarkSummary {
    let score = |name: &str| {
        let result = report.results.iter().find(|result| result.method == name)?;
        let value = result.metrics.get(report.primary_metric);
        Some(format!("{:.1}%", value * 100.0))
    };
    BenchmarkSummary {
        bm25: score("bm25"),
        sparse: score("sparse"),
        ..BenchmarkSummary::default()
    }
}

fn method_status(result: &MethodResult) -> Result<MethodStatus, Failure> {
    let unknown = |what: &str| {
        Failure::software(format!(
            "the report names {what}, which the API does not know"
        ))
    };
    let figure = |metric: Metric| format!("{:.4}", result.metrics.get(metric));
    let method = match result.method.as_str() {
        "bm25" => Method::BM25,
        "sparse" => Method::Sparse,
        other => return Err(unknown(other)),
    };
    let analyzer = match result.analyzer.as_deref() {
        None => None,
        Some("whitespace") => Some(Analyzer::Whitespace),
        Some("character-bigram") => Some(Analyzer::CharacterBigram),
        Some("subword") => Some(Analyzer::Subword),
        Some(other) => return Err(unknown(other)),
    };
    Ok(MethodStatus {
        method,
        analyzer,
        success_at1: figure(Metric::SuccessAt1),
        success_at5: figure(Metric::SuccessAt5),
        success_at10: figure(Metric::SuccessAt10),
        recall_at10: figure(Metric::RecallAt10),
        recall_at100: figure(Metric::RecallAt100),
        mrr_at10: figure(Metric::MrrAt10),
        ndcg_at10: figure(Metric::NdcgAt10),
        confidence_interval: None,
        latency_ms: None,
        active_dimensions: result.active_dimensions.map(|mean| ActiveDimensions {
            query: format!("{:.1}", mean.query),
            document: format!("{:.1}", mean.document),
        }),
    })
}
