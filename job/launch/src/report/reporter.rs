//! The rank's side: tells the launcher how far this rank is.

use super::RankReport;
use crate::environment::RANK_REPORT;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the launcher how far this rank is.
#[derive(Debug)]
pub struct Reporter {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    report: RankReport,
    /// Whether the last attempt to write failed, which is said once.
    failing: bool,
}

impl Reporter {
    /// The reporter of this rank, going on from what it has reported before; none where no launcher started it.
    pub fn from_env() -> Option<Self> {
        std::env::var_os(RANK_REPORT).map(|path| Self::new(path.into()))
    }

    pub(super) fn new(path: PathBuf) -> Self {
        let report = RankReport::read(&path).ok().flatten().unwrap_or_default();
        let state = Mutex::new(State {
            report,
            failing: false,
        });
        Self { path, state }
    }

    /// Changes the report and hands it to the launcher: one small file. Every call is a sign of life.
    ///
    /// A launcher that cannot be told is no reason to stop training: that is logged, once.
    pub fn update(&self, change: impl FnOnce(&mut RankReport)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state.report);
        state.report.updated = now_milliseconds();
        let (report, left_out) = std::mem::take(&mut state.report).bounded();
        state.report = report;
        for field in left_out {
            tracing::warn!("the launcher is not told the {field}: it is too long or no plain text");
        }
        match write(&self.path, &state.report) {
            Ok(()) => state.failing = false,
            Err(error) if !state.failing => {
                state.failing = true;
                tracing::warn!(
                    "the launcher cannot be told how far this rank is: {}: {error}",
                    self.path.display()
                );
            }
            Err(_) => {}
        }
    }
}

fn write(path: &Path, report: &RankReport) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&serde_json::to_vec(report)?)?;
    file.persist(path)?;
    Ok(())
}

fn now_milliseconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_millis() as u64)
}
