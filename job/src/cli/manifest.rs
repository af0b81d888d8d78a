//! The commands that read a manifest: `validate`, `run`, `train`, `export`, and `benchmark -f`.

use super::failure::Failure;
use super::last_words::LastWords;
use super::phase_message::{conclude, of_export};
use super::rank;
use super::signals;
use crate::distributed::World;
use crate::pipeline::{
    Job, Phases, Ranks, ResolveError, Results, leaderboard, resolve, resolve_trainings, run,
    starts_ranks,
};
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

    /// Runs all phases of every resource and prints the leaderboard.
    ///
    /// # Errors
    /// Mistakes of the file, or the first resource that fails.
    pub fn run(&self, telemetry: &Telemetry) -> Result<(), Failure> {
        let phases = Phases {
            training: true,
            export: true,
            benchmark: true,
        };
        let job = planned(&self.file)?;
        run_job(&job, phases, &self.ranks(), telemetry, None).map(drop)
    }

    fn ranks(&self) -> Ranks {
        Ranks::Start {
            file: self.file.clone(),
        }
    }
}

/// Only export finished trainings to Hugging Face format.
#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    file: ManifestFile,
    /// Where to write how it ended, as JSON [default: /dev/termination-log where there is one].
    #[arg(long)]
    termination_log: Option<PathBuf>,
}

impl Export {
    /// Exports, and writes down how that ended.
    ///
    /// # Errors
    /// Mistakes of the file, or the first training whose export fails.
    pub fn run(&self, telemetry: &Telemetry) -> Result<(), Failure> {
        let phases = Phases {
            training: false,
            export: true,
            benchmark: false,
        };
        let file = &self.file.file;
        let log = self.termination_log.as_deref();
        conclude(log, of_export, |last_words| {
            let job = planned_trainings(file)?;
            let exports = job.trainings.iter().filter(|one| one.export.is_some());
            let what = Asked {
                count: exports.count(),
                missing: "there is nothing to export: add export.uri to the spec of a SpladeTraining",
                several: "exports of several models: give one SpladeTraining with an export",
            };
            what.check(file, log.is_some())?;
            run_job(
                &job,
                phases,
                &self.file.ranks(),
                telemetry,
                Some(last_words),
            )
        })
    }
}

/// Only train, continuing from the newest checkpoint. This is also what each rank of a gang runs.
#[derive(Debug, Args)]
pub struct Train {
    #[command(flatten)]
    file: ManifestFile,
    /// Train this SpladeTraining of the file alone.
    #[arg(long)]
    training: Option<String>,
}

impl Train {
    /// Trains, as the rank that the environment names if it names one.
    ///
    /// # Errors
    /// Mistakes of the file or the environment, or the first training that fails.
    pub fn run(&self, telemetry: &Telemetry) -> Result<(), Failure> {
        rank::begin()?;
        let world = World::from_environment().map_err(Failure::usage)?;
        let ranks = world.map_or_else(|| self.file.ranks(), Ranks::One);
        let mut job = planned_trainings(&self.file.file)?;
        if let Some(name) = &self.training {
            job.trainings.retain(|training| training.plan.name == *name);
            if job.trainings.is_empty() {
                return Err(Failure::usage(format!(
                    "{}: there is no SpladeTraining {name}",
                    self.file.file.display()
                )));
            }
        }
        let phases = Phases {
            training: true,
            export: false,
            benchmark: false,
        };
        run_job(&job, phases, &ranks, telemetry, None).map(drop)
    }
}

/// Runs the benchmarks of a manifest and prints the leaderboard.
///
/// # Errors
/// A manifest without any, or with several where one termination message was asked for; mistakes of the file, or the
/// first benchmark that fails.
pub(super) fn run_benchmarks(
    file: &Path,
    log: Option<&Path>,
    telemetry: &Telemetry,
    last_words: &LastWords,
) -> Result<Results, Failure> {
    let phases = Phases {
        training: false,
        export: false,
        benchmark: true,
    };
    let job = planned(file)?;
    let of_trainings = job.trainings.iter().filter(|one| one.export.is_some());
    let what = Asked {
        count: job.benchmarks.len() + of_trainings.map(|one| one.benchmarks.len()).sum::<usize>(),
        missing: "there is nothing to benchmark: add a SpladeBenchmark, or benchmarks to the spec of a SpladeTraining \
                  with an export",
        several: "several benchmarks: give one SpladeBenchmark",
    };
    what.check(file, log.is_some())?;
    let ranks = Ranks::Start {
        file: file.to_owned(),
    };
    run_job(&job, phases, &ranks, telemetry, Some(last_words))
}

/// What a manifest asks of a phase.
struct Asked {
    /// How many results there will be.
    count: usize,
    /// Said where there will be none, and what would change that.
    missing: &'static str,
    /// Said where there will be several, but one message.
    several: &'static str,
}

impl Asked {
    /// Doing nothing is no success, and a message that tells of one result must not hide the others.
    fn check(&self, file: &Path, has_one_message: bool) -> Result<(), Failure> {
        let refused = |what: String| {
            Err(Failure::configuration(format!(
                "{}: {what}",
                file.display()
            )))
        };
        match self.count {
            0 => refused(self.missing.to_owned()),
            1 => Ok(()),
            _ if has_one_message => refused(format!(
                "--termination-log holds one result, but the file asks for {}",
                self.several
            )),
            _ => Ok(()),
        }
    }
}

/// What a manifest asks for.
fn planned(file: &Path) -> Result<Job, Failure> {
    resolve(&read(file)?).map_err(|errors| refused(file, &errors))
}

/// The trainings of a manifest alone.
pub(super) fn planned_trainings(file: &Path) -> Result<Job, Failure> {
    resolve_trainings(&read(file)?).map_err(|errors| refused(file, &errors))
}

fn refused(file: &Path, errors: &[ResolveError]) -> Failure {
    let lines: Vec<String> = errors
        .iter()
        .map(|error| format!("{}: {error}", file.display()))
        .collect();
    Failure::configuration(lines.join("\n"))
}

fn run_job(
    job: &Job,
    phases: Phases,
    ranks: &Ranks,
    telemetry: &Telemetry,
    last_words: Option<&LastWords>,
) -> Result<Results, Failure> {
    let interrupt = Arc::new(Interrupt::default());
    signals::watch(&interrupt, last_words)?;
    // Where ranks are started, the first of them answers.
    let _status = if phases.training && starts_ranks(job, ranks) {
        None
    } else {
        serve_by_environment(telemetry.progress(), telemetry.rank())
            .map_err(Failure::configuration)?
    };
    let gang = ranks.join(&job.trainings)?;
    let ended = run(job, phases, (ranks, gang.as_ref()), &interrupt, telemetry);
    // The others fail as soon as this rank leaves the gang: by then the launcher must know who was the first.
    let results = ended.map_err(|error| rank::report(Failure::from(error)))?;
    let rows = &results.rows;
    if !rows.is_empty() {
        for row in rows {
            println!("{}\n{}", row.name, row.report.table());
        }
        println!("{}", leaderboard(rows));
    }
    Ok(results)
}

/// The resources of a manifest.
pub(super) fn read(file: &Path) -> Result<Vec<Resource>, Failure> {
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
