//! The termination message of a pod: written once, by whoever ends the process.

use super::failure::{Class, Failure};
use splade_launch::{
    Conclusion, Outcome, Standing, TerminationError, TerminationLog, TerminationMessage,
};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Where a process writes how it ended.
#[derive(Clone, Debug)]
pub(super) struct LastWords(Arc<Mutex<TerminationLog>>);

impl LastWords {
    /// Those that go to this file; without one to that of Kubernetes, where this is a pod.
    pub(super) fn new(file: Option<&Path>) -> Self {
        let log = TerminationLog::new(file.map(Path::to_owned));
        Self(Arc::new(Mutex::new(log)))
    }

    /// Writes them down.
    pub(super) fn put(&self, message: &TerminationMessage) {
        write(
            &self.0.lock().unwrap_or_else(PoisonError::into_inner),
            message,
        );
    }

    /// Writes down why the process ends, for a caller who then ends it: nobody can contradict any more.
    pub(super) fn leave(&self, failure: &Failure) {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        write(&log, &failed(failure));
        std::mem::forget(log);
    }
}

/// Commands that leave a termination message.
const COMMANDS: [&str; 3] = ["launch", "export", "benchmark"];
/// The argument that names its file.
const ARGUMENT: &str = "--termination-log";

/// Writes the termination message of a command whose arguments are refused, to the file that they name all the same.
pub fn refuse_arguments(error: &clap::Error) {
    let arguments: Vec<String> = std::env::args_os()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let leaves_message = arguments
        .get(1)
        .is_some_and(|command| COMMANDS.contains(&command.as_str()));
    if leaves_message {
        LastWords::new(named_file(&arguments).map(Path::new)).put(&failed(&Failure::usage(error)));
    }
}

/// The value of the argument that names a file.
fn named_file(arguments: &[String]) -> Option<&str> {
    arguments.iter().enumerate().find_map(|(index, argument)| {
        match argument.strip_prefix(ARGUMENT)? {
            "" => arguments.get(index + 1).map(String::as_str),
            rest => rest.strip_prefix('='),
        }
    })
}

fn write(log: &TerminationLog, message: &TerminationMessage) {
    match message.to_json() {
        Ok(json) => log.put(&json),
        Err(error) => tracing::error!("no termination message: {error}"),
    }
}

/// The message of a success that has made nothing yet.
pub(super) fn succeeded() -> TerminationMessage {
    TerminationMessage::from(&Conclusion {
        standing: Standing::default(),
        failure: None,
    })
}

/// The message of a failure, or of a process that was asked to leave.
pub(super) fn failed(failure: &Failure) -> TerminationMessage {
    let outcome = if failure.interrupted {
        Outcome::Interrupted
    } else {
        Outcome::Failed
    };
    TerminationMessage {
        outcome,
        exit_code: Class::code(failure.class),
        error: Some(TerminationError {
            rank: None,
            message: failure.to_string(),
        }),
        ..succeeded()
    }
}
