//! Runs a benchmark: index, search, judge.

use super::plan::{BenchmarkPlan, Bm25Analyzer, Bm25Plan, SparsePlan};
use crate::encoder::{EncodeError, Pruning, TextEncoder};
use splade_data::{DataError, Tokenizer};
use splade_retrieval::bm25::Bm25Error;
use splade_retrieval::metrics::NoJudgments;
use splade_retrieval::ranking::RankingError;
use splade_retrieval::report::{ActiveDimensions, BenchmarkReport, MethodResult};
use splade_retrieval::sparse::SparseIndexError;
use splade_retrieval::sparse_vector::{flops, mean_active_dimensions};
use splade_retrieval::{
    Analyzer, Bm25Index, Dataset, DocumentIds, Evaluation, Run, SparseIndex, SparseVector,
    beir::BeirError, evaluate,
};
use splade_telemetry::spans::{self, within};
use tch::Device;

/// Hits a search returns: recall@100 needs no more.
const DEPTH: usize = 100;
/// Documents encoded between two looks at the progress.
const DOCUMENTS_AT_ONCE: usize = 512;

/// A benchmark that fails.
#[derive(Debug, thiserror::Error)]
pub enum BenchmarkError {
    /// The data set.
    #[error(transparent)]
    Dataset(#[from] BeirError),
    /// The model.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The tokenizer that makes subwords.
    #[error(transparent)]
    Tokenizer(#[from] DataError),
    /// BM25.
    #[error(transparent)]
    Bm25(#[from] Bm25Error),
    /// The sparse index.
    #[error(transparent)]
    Index(#[from] SparseIndexError),
    /// Document ids that do not make an index.
    #[error(transparent)]
    Ranking(#[from] RankingError),
    /// Nothing to judge by.
    #[error(transparent)]
    NoJudgments(#[from] NoJudgments),
}

/// Runs every method of the plan.
///
/// # Errors
/// A broken data set or model; see [`BenchmarkError`].
pub fn run_benchmark(
    plan: &BenchmarkPlan,
    device: Device,
) -> Result<BenchmarkReport, BenchmarkError> {
    within(spans::benchmark(&plan.dataset, &plan.split), || {
        run_methods(plan, device)
    })
}

fn run_methods(plan: &BenchmarkPlan, device: Device) -> Result<BenchmarkReport, BenchmarkError> {
    let dataset = Dataset::load(&plan.folder, &plan.dataset, &plan.split)?;
    if dataset.unjudged_queries > 0 {
        tracing::info!(
            queries = dataset.unjudged_queries,
            "queries without judgments in {}, split {}, are left out",
            plan.dataset,
            plan.split
        );
    }
    let mut results = Vec::new();
    if let Some(bm25) = &plan.bm25 {
        for &analyzer in &bm25.analyzers {
            results.push(run_bm25(&dataset, plan, bm25, analyzer)?);
        }
    }
    if let Some(sparse) = plan.sparse {
        let encoder = TextEncoder::open(&plan.model, plan.mask_special_tokens, device)?;
        results.push(run_sparse(&dataset, sparse, &encoder)?);
    }
    Ok(BenchmarkReport {
        dataset: plan.dataset.clone(),
        split: plan.split.clone(),
        documents: dataset.corpus.len(),
        queries: dataset.queries.len(),
        judgments: dataset.judgments(),
        unknown_documents: dataset.unknown_documents,
        primary_metric: plan.primary_metric,
        results,
    })
}

fn document_ids(dataset: &Dataset) -> Result<DocumentIds, RankingError> {
    DocumentIds::new(dataset.corpus.iter().map(|document| document.id.as_str()))
}

fn judge(dataset: &Dataset, run: &Run, method: &str) -> Result<MethodResult, BenchmarkError> {
    let Evaluation {
        mean,
        missing_queries,
        ..
    } = evaluate(&dataset.qrels, run)?;
    Ok(MethodResult {
        method: method.to_owned(),
        analyzer: None,
        metrics: mean,
        missing_queries: missing_queries.len(),
        active_dimensions: None,
        flops: None,
    })
}

fn run_bm25(
    dataset: &Dataset,
    plan: &BenchmarkPlan,
    bm25: &Bm25Plan,
    analyzer: Bm25Analyzer,
) -> Result<MethodResult, BenchmarkError> {
    let analyzer = match analyzer {
        Bm25Analyzer::Whitespace => Analyzer::Whitespace,
        Bm25Analyzer::CharacterBigram => Analyzer::CharacterBigram,
        Bm25Analyzer::Subword => subwords(Tokenizer::from_folder(&plan.model)?),
    };
    let name = analyzer.name().to_owned();
    let texts: Vec<_> = dataset
        .corpus
        .iter()
        .map(|document| document.contents())
        .collect();
    let index = Bm25Index::build(document_ids(dataset)?, &texts, analyzer, bm25.parameters)?;
    let queries: Vec<(&str, &str)> = dataset
        .queries
        .iter()
        .map(|query| (query.id.as_str(), query.text.as_str()))
        .collect();
    let run = index.search_all(&queries, DEPTH)?;
    Ok(MethodResult {
        analyzer: Some(name),
        ..judge(dataset, &run, "bm25")?
    })
}

/// The model's own subwords as an analyzer.
fn subwords(tokenizer: Tokenizer) -> Analyzer {
    let terms = move |text: &str| {
        let ids = tokenizer.subwords(text)?;
        Ok(ids.into_iter().map(|id| id.to_string()).collect())
    };
    Analyzer::Subword {
        name: "subword".to_owned(),
        tokenizer: Box::new(terms),
    }
}

fn run_sparse(
    dataset: &Dataset,
    plan: SparsePlan,
    encoder: &TextEncoder,
) -> Result<MethodResult, BenchmarkError> {
    let texts: Vec<_> = dataset
        .corpus
        .iter()
        .map(|document| document.contents())
        .collect();
    let mut documents = Vec::with_capacity(texts.len());
    for chunk in texts.chunks(DOCUMENTS_AT_ONCE) {
        let chunk: Vec<&str> = chunk.iter().map(AsRef::as_ref).collect();
        documents.extend(encoder.encode(&chunk, plan.document_max_length, Pruning::default())?);
        tracing::info!(
            documents = documents.len(),
            of = texts.len(),
            "encoding {}",
            dataset.name
        );
    }
    let texts: Vec<&str> = dataset
        .queries
        .iter()
        .map(|query| query.text.as_str())
        .collect();
    let pruning = Pruning {
        top_k: plan.query_top_k,
        threshold: 0.0,
    };
    let queries = encoder.encode(&texts, plan.query_max_length, pruning)?;
    let index = SparseIndex::build(document_ids(dataset)?, &documents)?;
    let active_dimensions = active_dimensions(&queries, &documents);
    let flops = flops(&queries, &documents);
    let named: Vec<(String, SparseVector)> = dataset
        .queries
        .iter()
        .map(|query| query.id.clone())
        .zip(queries)
        .collect();
    let run = index.search_all(&named, DEPTH)?;
    Ok(MethodResult {
        active_dimensions,
        flops,
        ..judge(dataset, &run, "sparse")?
    })
}

fn active_dimensions(
    queries: &[SparseVector],
    documents: &[SparseVector],
) -> Option<ActiveDimensions> {
    Some(ActiveDimensions {
        query: mean_active_dimensions(queries)?,
        document: mean_active_dimensions(documents)?,
    })
}
