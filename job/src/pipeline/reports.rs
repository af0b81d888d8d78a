//! Reports of benchmarks, kept beside the model so that none is made twice.

use super::device::device;
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

/// The report of a benchmark, and where it is kept, if it is: the one that is there if nothing has changed, else a
/// new one.
pub(super) fn report(
    benchmark: &PlannedBenchmark,
) -> Result<(BenchmarkReport, Option<String>), PipelineError> {
    let plan = &benchmark.plan;
    let key = key(plan)?;
    let name = format!("benchmarks/{}.json", benchmark.name);
    let path = plan.model.join(&name);
    let place = match &benchmark.publish {
        Some(location) => format!("{location}/{name}"),
        None => path.display().to_string(),
    };
    let kept: Option<Kept> = std::fs::read(&path)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok());
    if let Some(kept) = kept.filter(|kept| kept.key == key) {
        tracing::info!(report = %path.display(), "the benchmark {} is done already", benchmark.name);
        return Ok((kept.report, Some(place)));
    }
    let file = place_beside(&path);
    let device = device(benchmark.wants_gpu, 0, &benchmark.name);
    let report = run_benchmark(plan, device).map_err(|source| PipelineError::Benchmark {
        name: benchmark.name.clone(),
        source,
    })?;
    let kept = Kept { key, report };
    let Some(file) = file else {
        return Ok((kept.report, None));
    };
    keep(file, &path, &kept)?;
    if let Some(location) = &benchmark.publish {
        publish_file(&plan.model, &name, "spec.model.uri", location).map_err(|source| {
            PipelineError::Storage {
                name: benchmark.name.clone(),
                source,
            }
        })?;
    }
    Ok((kept.report, Some(place)))
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

/// Digest of the plan and of the content of model and data set.
fn key(plan: &BenchmarkPlan) -> Result<String, PipelineError> {
    let mut digest = ContentDigest::default();
    digest.add(format!("{plan:?} {}", env!("CARGO_PKG_VERSION")));
    let mut files: Vec<PathBuf> = Vec::new();
    for (folder, only) in [
        (&plan.model, "model"),
        (&plan.model, "tokenizer.json"),
        (&plan.model, "config.json"),
        (&plan.folder, ""),
    ] {
        files.extend(list(folder, only)?);
    }
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
    files.retain(|path| path.extension().is_some_and(|kind| kind == "safetensors"));
    files.sort();
    let mut digest = ContentDigest::default();
    for path in files {
        let added = digest.add_file(&path);
        added.map_err(|source| PipelineError::io(&path, source))?;
    }
    Ok(format!("sha256:{}", digest.finish()))
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
