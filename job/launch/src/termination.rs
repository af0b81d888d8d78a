//! The termination message: what Kubernetes keeps of a container that has ended.

use crate::exit::ExitClass;
use crate::failure::{Cause, Failure};
use crate::launch::Conclusion;
use crate::text::cut;
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

/// The most that Kubernetes keeps, in bytes.
pub const MAX_TERMINATION_BYTES: usize = 4096;
/// Where Kubernetes looks unless the pod says otherwise.
const DEFAULT_LOG: &str = "/dev/termination-log";

/// How a launch ended, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// All ranks finished.
    Succeeded,
    /// The ranks were asked to leave, and left.
    Interrupted,
    /// Nothing moved for too long.
    Stalled,
    /// The launcher of another node is gone.
    NodeLost,
    /// A rank or the launcher failed.
    Failed,
}

impl Outcome {
    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::Interrupted => "Interrupted",
            Self::Stalled => "Stalled",
            Self::NodeLost => "NodeLost",
            Self::Failed => "Failed",
        }
    }
}

impl Conclusion {
    /// How the launch ended, in a word.
    pub fn outcome(&self) -> Outcome {
        match self.failure.as_ref().map(|failure| failure.cause) {
            None => Outcome::Succeeded,
            Some(Cause::Rank | Cause::Launcher) => Outcome::Failed,
            Some(Cause::Stall) => Outcome::Stalled,
            Some(Cause::NodeLost) => Outcome::NodeLost,
            Some(Cause::Interrupted) => Outcome::Interrupted,
        }
    }
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TerminationError {
    /// The rank, where it is one rank's failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    /// For a person; cut, and marked so, where the whole would be too long.
    pub message: String,
}

/// A model that was exported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelMessage {
    /// Where it lies.
    pub uri: String,
    /// `sha256:` and the digest of its weights.
    pub digest: String,
}

/// What Kubernetes keeps of a process that has ended, as JSON of at most [`MAX_TERMINATION_BYTES`] bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TerminationMessage {
    /// How it ended.
    pub outcome: Outcome,
    /// The exit code.
    pub exit_code: u8,
    /// Optimizer steps done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
    /// Optimizer steps of the whole training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_steps: Option<u64>,
    /// The newest complete checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// The checkpoint that this start continued from; none where it began at step 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_from: Option<String>,
    /// Digest of the finished model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_digest: Option<String>,
    /// The model, of an export.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelMessage>,
    /// What was measured, of a benchmark: the fields of a SpladeBenchmark's status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub benchmark: Option<serde_json::Value>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<TerminationError>,
}

impl From<&Conclusion> for TerminationMessage {
    fn from(conclusion: &Conclusion) -> Self {
        let standing = conclusion.standing.clone();
        let failure = conclusion.failure.as_ref();
        Self {
            outcome: conclusion.outcome(),
            exit_code: conclusion.exit_code(),
            step: standing.step,
            total_steps: standing.total_steps,
            checkpoint: standing.checkpoint,
            resumed_from: standing.resumed_from,
            model_digest: standing.model_digest,
            model: None,
            benchmark: None,
            error: failure.map(|failure| TerminationError {
                rank: failure.rank,
                message: failure.message.clone(),
            }),
        }
    }
}

impl TerminationMessage {
    /// As JSON of at most [`MAX_TERMINATION_BYTES`] bytes: the error's message is cut as far as that needs.
    ///
    /// # Errors
    /// None in practice: this type always is JSON.
    pub fn to_json(&self) -> serde_json::Result<String> {
        let whole = serde_json::to_string(self)?;
        let Some(error) = self
            .error
            .as_ref()
            .filter(|_| whole.len() > MAX_TERMINATION_BYTES)
        else {
            return Ok(whole);
        };
        // How long a text becomes as JSON depends on its characters; the longest beginning that fits is searched.
        let (mut fits, mut too_long) = (0, error.message.len());
        let mut best = self.with_message("")?;
        while too_long - fits > 1 {
            let limit = fits.midpoint(too_long);
            let shorter = self.with_message(&cut(&error.message, limit))?;
            if shorter.len() <= MAX_TERMINATION_BYTES {
                (fits, best) = (limit, shorter);
            } else {
                too_long = limit;
            }
        }
        Ok(best)
    }

    fn with_message(&self, message: &str) -> serde_json::Result<String> {
        let mut shorter = self.clone();
        if let Some(error) = &mut shorter.error {
            message.clone_into(&mut error.message);
        }
        serde_json::to_string(&shorter)
    }
}

/// Where the termination message goes.
#[derive(Clone, Debug)]
pub struct TerminationLog(Option<PathBuf>);

impl TerminationLog {
    /// The file that was asked for; without one that of Kubernetes, where this is a pod.
    pub fn new(file: Option<PathBuf>) -> Self {
        let default = Path::new(DEFAULT_LOG);
        let is_pod = || default.is_file() && OpenOptions::new().append(true).open(default).is_ok();
        Self(file.or_else(|| is_pod().then(|| default.to_owned())))
    }

    /// Runs a launch and writes the message of how it ended, whichever way that is: also a panic, which goes on after.
    ///
    /// A message that cannot be written is logged; how the launch ended stays what it was.
    pub fn conclude(&self, launch: impl FnOnce() -> Conclusion) -> Conclusion {
        match catch_unwind(AssertUnwindSafe(launch)) {
            Ok(conclusion) => {
                self.write(&conclusion);
                conclusion
            }
            Err(panic) => {
                let failure = Failure::new(
                    ExitClass::Software,
                    "the launcher panicked; its log says where",
                );
                self.write(&failure.into());
                resume_unwind(panic)
            }
        }
    }

    fn write(&self, conclusion: &Conclusion) {
        match TerminationMessage::from(conclusion).to_json() {
            Ok(message) => self.put(&message),
            Err(error) => tracing::error!("no termination message: {error}"),
        }
    }

    /// Writes a message, of at most [`MAX_TERMINATION_BYTES`] bytes. One that cannot be written is logged.
    pub fn put(&self, message: &str) {
        let Some(file) = &self.0 else {
            return;
        };
        if let Err(error) = write(file, message) {
            tracing::error!(
                "cannot write the termination message {}: {error}",
                file.display()
            );
        }
    }
}

/// Kubernetes mounts the file, so it is written in place.
fn write(file: &Path, message: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .open(file)?;
    file.write_all(message.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::Standing;
    use proptest::prelude::*;

    fn conclusion(message: &str, checkpoint: &str) -> Conclusion {
        Conclusion {
            standing: Standing {
                step: Some(u64::MAX),
                total_steps: Some(u64::MAX),
                checkpoint: Some(checkpoint.into()),
                resumed_from: Some(checkpoint.into()),
                model_digest: Some("d".repeat(128)),
            },
            failure: Some(Failure::new(ExitClass::Data, message)),
        }
    }

    #[test]
    fn a_success_has_no_error() {
        let json = TerminationMessage::from(&Conclusion {
            standing: Standing::default(),
            failure: None,
        })
        .to_json()
        .unwrap();
        assert_eq!(json, r#"{"outcome":"Succeeded","exitCode":0}"#);
    }

    #[test]
    fn an_outcome_has_one_name() {
        for outcome in [
            Outcome::Succeeded,
            Outcome::Interrupted,
            Outcome::Stalled,
            Outcome::NodeLost,
            Outcome::Failed,
        ] {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.name());
        }
    }

    proptest! {
        #[test]
        fn always_fits_and_only_the_message_is_cut(
            message in "[가-힣\u{1}\"\\\\a\u{1F600}]{0,3000}",
            checkpoint in "[\"가a]{300}",
        ) {
            let full = TerminationMessage::from(&conclusion(&message, &checkpoint));
            let json = full.to_json().unwrap();
            prop_assert!(json.len() <= MAX_TERMINATION_BYTES);
            let mut read: TerminationMessage = serde_json::from_str(&json).unwrap();
            let kept = read.error.take().unwrap().message;
            let whole = full.error.clone().unwrap().message;
            match kept.strip_suffix(" [cut]") {
                Some(beginning) => prop_assert!(whole.starts_with(beginning)),
                None => prop_assert_eq!(kept, whole),
            }
            read.error.clone_from(&full.error);
            prop_assert_eq!(read, full);
        }
    }
}
