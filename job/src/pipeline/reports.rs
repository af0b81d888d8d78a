//! Reports of benchmarks, kept beside the model so that none is made twice.

use super::resolve::PlannedBenchmark;
use super::run::PipelineError;
use crate::benchmark::{BenchmarkPlan, run_benchmark};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use splade_retrieval::BenchmarkReport;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use tch::Device;

/// A report, and a digest of all that it depends on.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    key: String,
    report: BenchmarkReport,
}

/// The report of a benchmark: the one that is kept if nothing has changed, else a new one.
pub(super) fn report(benchmark: &PlannedBenchmark) -> Result<BenchmarkReport, PipelineError> {
    let plan = &benchmark.plan;
    let key = key(plan)?;
    let path = plan
        .model
        .join("benchmarks")
        .join(format!("{}.json", benchmark.name));
    let kept: Option<Kept> = std::fs::read(&path)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok());
    if let Some(kept) = kept.filter(|kept| kept.key == key) {
        tracing::info!(report = %path.display(), "the benchmark {} is done already", benchmark.name);
        return Ok(kept.report);
    }
    let device = if benchmark.wants_gpu {
        Device::cuda_if_available()
    } else {
        Device::Cpu
    };
    let report = run_benchmark(plan, device).map_err(|source| PipelineError::Benchmark {
        name: benchmark.name.clone(),
        source,
    })?;
    let kept = Kept { key, report };
    write(&path, &kept)?;
    Ok(kept.report)
}

fn write(path: &Path, kept: &Kept) -> Result<(), PipelineError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let io = |source| PipelineError::io(path, source);
    std::fs::create_dir_all(folder).map_err(io)?;
    let text = serde_json::to_vec_pretty(kept).map_err(|source| PipelineError::Json {
        path: path.to_owned(),
        source,
    })?;
    let file = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
    std::fs::write(file.path(), text).map_err(io)?;
    file.persist(path).map_err(|error| io(error.error))?;
    Ok(())
}

/// Digest of the plan and of the content of model and data set.
fn key(plan: &BenchmarkPlan) -> Result<String, PipelineError> {
    let mut digest = Sha256::new();
    digest.update(format!("{plan:?} {}", env!("CARGO_PKG_VERSION")));
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
        digest.update(path.to_string_lossy().as_bytes());
        let io = |source| PipelineError::io(&path, source);
        let mut file = File::open(&path).map_err(io)?;
        let mut buffer = vec![0; 1 << 20];
        loop {
            let count = file.read(&mut buffer).map_err(io)?;
            if count == 0 {
                break;
            }
            digest.update(&buffer[..count]);
        }
    }
    Ok(digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Plain files of a folder whose names start so.
fn list(folder: &Path, start: &str) -> Result<Vec<PathBuf>, PipelineError> {
    let io = |source| PipelineError::io(folder, source);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let is_file = entry.file_type().map_err(io)?.is_file();
        if is_file && entry.file_name().to_string_lossy().starts_with(start) {
            files.push(entry.path());
        }
    }
    Ok(files)
}
