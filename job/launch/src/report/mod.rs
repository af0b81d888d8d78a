//! What a rank reports to its launcher: a small file that it replaces whole.

mod folder;
mod reader;
mod reporter;

pub(crate) use reader::Reports;
pub use reporter::Reporter;

use crate::exit::ExitClass;
use crate::text::cut;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The longest message of an error, in bytes; what is beyond is cut, and marked.
pub(crate) const MAX_MESSAGE_BYTES: usize = 4096;
const MAX_CHECKPOINT_BYTES: usize = 1024;
const MAX_DIGEST_BYTES: usize = 128;
/// More than any report within the bounds above takes as JSON.
const MAX_REPORT_BYTES: u64 = 64 * 1024;

/// What a rank is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    /// Up to the first step.
    #[default]
    Starting,
    /// Steps.
    Training,
    /// A checkpoint.
    Saving,
    /// An evaluation.
    Evaluating,
    /// All is done.
    Finished,
}

/// Why a rank fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RankError {
    /// The class.
    pub class: ExitClass,
    /// For a person.
    pub message: String,
}

/// How far a rank is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RankReport {
    /// What it is doing.
    pub phase: Phase,
    /// Optimizer steps done.
    pub step: u64,
    /// Optimizer steps of the whole training, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_steps: Option<u64>,
    /// The newest complete checkpoint; at most 1024 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// The checkpoint that this start continued from; at most 1024 bytes. None where it began at step 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_from: Option<String>,
    /// Digest of the finished model; at most 128 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_digest: Option<String>,
    /// Why it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RankError>,
    /// When this was written, in milliseconds since 1970.
    pub updated: u64,
}

impl RankReport {
    /// The same within its bounds, and what did not fit. A cut message still tells; a cut checkpoint or digest would
    /// name another one and is left out.
    fn bounded(mut self) -> (Self, Vec<&'static str>) {
        let mut left_out = Vec::new();
        for (name, limit, field) in [
            ("checkpoint", MAX_CHECKPOINT_BYTES, &mut self.checkpoint),
            ("resumedFrom", MAX_CHECKPOINT_BYTES, &mut self.resumed_from),
            ("modelDigest", MAX_DIGEST_BYTES, &mut self.model_digest),
        ] {
            let fits = |text: &String| text.len() <= limit && !text.contains(char::is_control);
            if field.as_ref().is_some_and(|text| !fits(text)) {
                *field = None;
                left_out.push(name);
            }
        }
        if let Some(error) = &mut self.error {
            error.message = cut(&error.message, MAX_MESSAGE_BYTES).into_owned();
        }
        (self, left_out)
    }

    /// Reads a report; none where the rank has not written one yet.
    fn read(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let mut bytes = Vec::new();
        file.take(MAX_REPORT_BYTES).read_to_end(&mut bytes)?;
        let report: Self = serde_json::from_slice(&bytes)?;
        Ok(Some(report.bounded().0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn pair() -> (Reporter, Reports) {
        let reports = Reports::new(1).unwrap();
        (Reporter::new(reports.path(3)), reports)
    }

    #[test]
    fn the_launcher_reads_what_the_rank_wrote_and_sees_each_change_once() {
        let (reporter, mut reports) = pair();
        assert_eq!(reports.changed(0, 3), None);
        reporter.update(|report| {
            report.phase = Phase::Training;
            report.step = 7;
            report.checkpoint = Some("file:///runs/a/step-00000005".into());
        });
        let report = reports.changed(0, 3).unwrap();
        assert_eq!((report.phase, report.step), (Phase::Training, 7));
        assert_eq!(
            report.checkpoint.as_deref(),
            Some("file:///runs/a/step-00000005")
        );
        assert!(report.updated > 0);
        assert_eq!(reports.changed(0, 3), None);
    }

    #[test]
    fn a_second_reporter_of_the_same_rank_goes_on_from_the_first() {
        let (reporter, mut reports) = pair();
        reporter.update(|report| report.step = 7);
        let last_words = Reporter::new(reports.path(3));
        last_words.update(|report| {
            report.error = Some(RankError {
                class: ExitClass::Data,
                message: "손상된 데이터".into(),
            });
        });
        let report = reports.changed(0, 3).unwrap();
        assert_eq!(report.step, 7);
        assert_eq!(report.error.unwrap().message, "손상된 데이터");
    }

    #[test]
    fn what_is_too_long_is_cut_where_that_makes_sense() {
        let (reporter, mut reports) = pair();
        reporter.update(|report| {
            report.checkpoint = Some("x".repeat(MAX_CHECKPOINT_BYTES + 1));
            report.model_digest = Some("sha256:\n".into());
            report.error = Some(RankError {
                class: ExitClass::Software,
                message: "가".repeat(1_000_000),
            });
        });
        let report = reports.changed(0, 3).unwrap();
        assert_eq!((report.checkpoint, report.model_digest), (None, None));
        let message = report.error.unwrap().message;
        assert!(message.len() <= MAX_MESSAGE_BYTES && message.ends_with("가 [cut]"));
    }

    #[test]
    fn a_rank_goes_on_when_the_folder_is_gone() {
        let (reporter, reports) = pair();
        let file = reports.path(3);
        drop(reports);
        reporter.update(|report| report.step = 1);
        assert!(!file.exists());
        fs::create_dir(file.parent().unwrap()).unwrap();
        reporter.update(|report| report.model_digest = Some("sha256:1".into()));
        let report = RankReport::read(&file).unwrap().unwrap();
        assert_eq!(report.step, 1);
        fs::remove_dir_all(file.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_damaged_report_is_passed_over() {
        let (reporter, mut reports) = pair();
        fs::write(reports.path(3), b"{\"phase\": \"Trai").unwrap();
        assert_eq!(reports.changed(0, 3), None);
        reporter.update(|report| report.step = 1);
        assert_eq!(reports.changed(0, 3).unwrap().step, 1);
    }
}
