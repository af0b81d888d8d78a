//! Reports of benchmarks, kept beside the model so that none is made twice.

use super::device::device;
use super::leaderboard::Row;
use super::mirror::publish_file;
use super::resolve::PlannedBenchmark;
use super::run::PipelineError;
use crate::benchmark::{BenchmarkPlan, run_benchmark};
use crate::digest::ContentDigest;
use serde::{Deserialize, Serialize};
use splade_retrieval::BenchmarkReport;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A report, and a digest of all that it depends on.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    key: String,
    report: BenchmarkReport,
}

/// The row of a benchmark: by the report that is there if nothing has changed, else by a new one.
pub(super) fn row(benchmark: &PlannedBenchmark) -> Result<Row, PipelineError> {
    let plan = &benchmark.plan;
    let model_digest = weights_digest(&plan.model)?;
    let key = key(plan, &model_digest)?;
    let name = format!("benchmarks/{}.json", benchmark.name);
    let path = plan.model.join(&name);
    let row = |report, place| Row {
        name: benchmark.name.clone(),
        report,
        place,
        model_digest,
    };
    let kept: Option<Kept> = std::fs::read(&path)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok());
    if let Some(kept) = kept.filter(|kept| kept.key == key) {
        tracing::info!(report = %path.display(), "the benchmark {} is done already", benchmark.name);
        // Whoever made it may have been killed before it was taken there.
        let place = publish_report(benchmark, &name);
        return Ok(row(kept.report, place));
    }
    let file = place_beside(&path);
    let device = device(benchmark.wants_gpu, 0, &benchmark.name);
    let report = run_benchmark(plan, device).map_err(|source| PipelineError::Benchmark {
        name: benchmark.name.clone(),
        source,
    })?;
    let kept = Kept { key, report };
    let Some(file) = file else {
        return Ok(row(kept.report, None));
    };
    keep(file, &path, &kept)?;
    let place = publish_report(benchmark, &name);
    Ok(row(kept.report, place))
}

/// Takes a report to its place beside the model, where that lies in object storage, and gives that place. Whoever may
/// read a model may be kept from writing beside it: what was measured counts all the same.
fn publish_report(benchmark: &PlannedBenchmark, name: &str) -> Option<String> {
    let model = &benchmark.plan.model;
    let Some(location) = &benchmark.publish else {
        return Some(model.join(name).display().to_string());
    };
    match publish_file(model, name, location) {
        Ok(()) => Some(format!("{location}/{name}")),
        Err(error) => {
            tracing::warn!(%error, "the report of {} cannot be kept beside its model: it is printed, and lies here for now", benchmark.name);
            None
        }
    }
}

/// An empty file to write the report to, opened before the work: a model in a read-only volume can be measured all
/// the same, and the user hears at once that the report will not be kept.
fn place_beside(path: &Path) -> Option<NamedTempFile> {
    let folder = path.parent()?;
    let place = std::fs::create_dir_all(folder).and_then(|()| NamedTempFile::new_in(folder));
    match place {
        Ok(place) => Some(place),
        Err(error) => {
            tracing::warn!(%error, "{} cannot be written: the report is printed and not kept", folder.display());
            None
        }
    }
}

fn keep(place: NamedTempFile, path: &Path, kept: &Kept) -> Result<(), PipelineError> {
    let io = |source| PipelineError::io(path, source);
    let text = serde_json::to_vec_pretty(kept).map_err(|source| PipelineError::Json {
        path: path.to_owned(),
        source,
    })?;
    std::fs::write(place.path(), text).map_err(io)?;
    place.persist(path).map_err(|error| io(error.error))?;
    Ok(())
}

/// Digest of the plan and of the content of model and data set. The weights have been read once for `model_digest`.
fn key(plan: &BenchmarkPlan, model_digest: &str) -> Result<String, PipelineError> {
    let mut digest = ContentDigest::default();
    digest.add(format!(
        "{plan:?} {} {model_digest}",
        env!("CARGO_PKG_VERSION")
    ));
    let mut files: Vec<PathBuf> = Vec::new();
    for (folder, only) in [
        (&plan.model, "model"),
        (&plan.model, "tokenizer.json"),
        (&plan.model, "config.json"),
        (&plan.folder, ""),
    ] {
        files.extend(list(folder, only)?);
    }
    files.retain(|path| !is_weights(path));
    files.extend(list(&plan.folder.join("qrels"), &plan.split)?);
    files.sort();
    for path in files {
        digest.add(path.to_string_lossy().as_bytes());
        digest
            .add_file(&path)
            .map_err(|source| PipelineError::io(&path, source))?;
    }
    Ok(digest.finish())
}

/// `sha256:` and the digest of a model's weights: of its one file, or of all its files in the order of their names.
pub(super) fn weights_digest(model: &Path) -> Result<String, PipelineError> {
    let mut files = list(model, "model")?;
    files.retain(|path| is_weights(path));
    files.sort();
    let mut digest = ContentDigest::default();
    for path in files {
        let added = digest.add_file(&path);
        added.map_err(|source| PipelineError::io(&path, source))?;
    }
    Ok(format!("sha256:{}", digest.finish()))
}

fn is_weights(path: &Path) -> bool {
    path.extension().is_some_and(|kind| kind == "safetensors")
}

/// Files of a folder whose names start so, links among them: a snapshot of Hugging Face's cache is nothing else.
fn list(folder: &Path, start: &str) -> Result<Vec<PathBuf>, PipelineError> {
    let io = |source| PipelineError::io(folder, source);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let is_file = std::fs::metadata(entry.path()).map_err(io)?.is_file();
        if is_file && entry.file_name().to_string_lossy().starts_with(start) {
            files.push(entry.path());
        }
    }
    Ok(files)
}
