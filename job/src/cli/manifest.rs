//! The commands that read a manifest: `validate`, `run`, `train`, `export`, and `benchmark -f`.

use super::failure::Failure;
use super::signals;
use crate::pipeline::{Phases, leaderboard, resolve, run};
use crate::training::Interrupt;
use clap::Args;
use splade_crds::manifest::{Resource, parse};
use splade_telemetry::{Telemetry, serve_by_environment};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A manifest is written by people; a larger file is not one.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// The file that the command works on.
#[derive(Debug, Args)]
pub struct ManifestFile {
    /// The manifest: SpladeTraining and SpladeBenchmark resources.
    #[arg(short, long = "file")]
    file: PathBuf,
}

impl ManifestFile {
    /// Checks the file and says what it holds.
    ///
    /// # Errors
    /// Every mistake of the file, each with line and field.
    pub fn validate(&self) -> Result<(), Failure> {
        let resources = read(&self.file)?;
        for resource in &resources {
            let kind = match resource {
                Resource::Training(_) => "SpladeTraining",
                Resource::Benchmark(_) => "SpladeBenchmark",
            };
            println!(
                "{}: {kind} {} is valid",
                self.file.display(),
                resource.name()
            );
        }
        // Valid for a cluster is not always possible here: object storage, resources of other files.
        for error in resolve(&resources).err().into_iter().flatten() {
            eprintln!("note: `splade-job run` would refuse it: {error}");
        }
        Ok(())
    }

    /// Runs these phases of every resource and prints the leaderboard.
    ///
    /// # Errors
    /// Mistakes of the file, or the first resource that fails.
    pub fn run(&self, phases: Phases, telemetry: &Telemetry) -> Result<(), Failure> {
        run_manifest(&self.file, phases, telemetry)
    }
}

/// As [`ManifestFile::run`], for a path.
pub(super) fn run_manifest(
    file: &Path,
    phases: Phases,
    telemetry: &Telemetry,
) -> Result<(), Failure> {
    let job = resolve(&read(file)?).map_err(|errors| {
        let lines: Vec<String> = errors
            .iter()
            .map(|error| format!("{}: {error}", file.display()))
            .collect();
        Failure::configuration(lines.join("\n"))
    })?;
    let interrupt = Arc::new(Interrupt::default());
    signals::watch(&interrupt)?;
    let _status = serve_by_environment(telemetry.progress(), telemetry.rank())
        .map_err(Failure::configuration)?;
    let rows = run(&job, phases, &interrupt, telemetry)?;
    if !rows.is_empty() {
        for row in &rows {
            println!("{}\n{}", row.name, row.report.table());
        }
        println!("{}", leaderboard(&rows));
    }
    Ok(())
}

fn read(file: &Path) -> Result<Vec<Resource>, Failure> {
    let size = std::fs::metadata(file)
        .map_err(|source| Failure::io(file, source))?
        .len();
    if size > MAX_MANIFEST_BYTES {
        return Err(Failure::configuration(format!(
            "{}: {size} bytes is too large for a manifest",
            file.display()
        )));
    }
    let text = std::fs::read_to_string(file).map_err(|source| Failure::io(file, source))?;
    parse(&text).map_err(|errors| {
        let lines: Vec<String> = errors
            .as_slice()
            .iter()
            .map(|error| format!("{}: {error}", file.display()))
            .collect();
        Failure::configuration(lines.join("\n"))
    })
}
