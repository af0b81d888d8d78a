//! Why an attempt ended without success.

use splade_crds::training::AttemptCause;

/// Why an attempt ended without success, and where that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// By which it is decided whether to try again.
    pub cause: AttemptCause,
    /// One CamelCase word.
    pub reason: String,
    /// What happened, for a person.
    pub message: String,
    /// Pod that failed first.
    pub pod: Option<String>,
    /// Its node.
    pub node: Option<String>,
    /// The container that failed.
    pub container: Option<String>,
    /// Its exit code.
    pub exit_code: Option<i32>,
}

impl Failure {
    /// A failure that no single pod shows.
    pub fn new(cause: AttemptCause, reason: &str, message: impl Into<String>) -> Self {
        Self {
            cause,
            reason: reason.into(),
            message: message.into(),
            pod: None,
            node: None,
            container: None,
            exit_code: None,
        }
    }

    /// A failure of the infrastructure.
    pub fn infrastructure(reason: &str, message: impl Into<String>) -> Self {
        Self::new(AttemptCause::Infrastructure, reason, message)
    }

    /// A failure that only another configuration can cure.
    pub fn configuration(reason: &str, message: impl Into<String>) -> Self {
        Self::new(AttemptCause::Configuration, reason, message)
    }
}
