//! One call: its time limit, its retries, its place in the metrics.

use crate::metrics::Metrics;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How long a call may take, its retries included.
const LIMIT: Duration = Duration::from_secs(15);
/// Pause before the first retry; the next ones wait twice as long each.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The most that a server's own wish for a pause is followed.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a call does, by the names of RBAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Reads one object.
    Get,
    /// Reads the API groups.
    Discover,
    /// Creates an object.
    Create,
    /// Replaces an object or its status.
    Update,
    /// Changes fields of an object, creating it where it is missing.
    Patch,
    /// Deletes an object.
    Delete,
}

impl Verb {
    /// The value of the metrics' label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Discover => "discover",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// A call that failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The API server refused it.
    #[error("the API server refused to {} {resource}: {message}", .verb.name())]
    Refused {
        /// What was asked for.
        verb: Verb,
        /// Of which resource.
        resource: &'static str,
        /// HTTP status code.
        code: u16,
        /// What the API server said.
        message: String,
    },
    /// No answer within the time limit.
    #[error("the API server did not {} {resource} within {} s", .verb.name(), .limit.as_secs())]
    TimedOut {
        /// What was asked for.
        verb: Verb,
        /// Of which resource.
        resource: &'static str,
        /// The time limit.
        limit: Duration,
    },
    /// No answer that can be read.
    #[error("the API server cannot be asked to {} {resource}: {source}", .verb.name())]
    Failed {
        /// What was asked for.
        verb: Verb,
        /// Of which resource.
        resource: &'static str,
        /// What happened.
        source: Box<kube::Error>,
    },
}

impl CallError {
    fn new(verb: Verb, resource: &'static str, error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused {
                verb,
                resource,
                code: status.code,
                message: status.message,
            },
            source => Self::Failed {
                verb,
                resource,
                source: Box::new(source),
            },
        }
    }

    fn code(&self) -> Option<u16> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::TimedOut { .. } | Self::Failed { .. } => None,
        }
    }

    /// The object has changed since it was read, or exists already.
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(409)
    }

    /// The object does not exist.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// The request itself is at fault: sent again, it would be refused again.
    pub fn is_final(&self) -> bool {
        matches!(self.code(), Some(400 | 403 | 404 | 405 | 413 | 422))
    }

    /// A bounded set of words for the metrics.
    pub fn category(&self) -> &'static str {
        match self.code() {
            Some(403) => "forbidden",
            Some(404) => "not_found",
            Some(409) => "conflict",
            Some(422 | 400) => "invalid",
            Some(429) => "throttled",
            Some(_) => "api_server",
            None => match self {
                Self::TimedOut { .. } => "timeout",
                _ => "transport",
            },
        }
    }
}

/// How calls are made. Clones share their metrics.
#[derive(Clone)]
pub struct Calls {
    metrics: Arc<Metrics>,
    limit: Duration,
}

impl Calls {
    /// Calls within the default time limit.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            limit: LIMIT,
        }
    }

    /// The same with another time limit.
    pub fn with_limit(&self, limit: Duration) -> Self {
        Self {
            metrics: Arc::clone(&self.metrics),
            limit,
        }
    }

    /// Makes a call once.
    ///
    /// # Errors
    /// The API server refused it, or did not answer in time.
    pub async fn once<T>(
        &self,
        verb: Verb,
        resource: &'static str,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, CallError> {
        self.within(Instant::now() + self.limit, verb, resource, request)
            .await
            .map_err(|failed| failed.error)
    }

    /// Makes a call, and again as long as the server asks to wait and the time limit allows it.
    ///
    /// # Errors
    /// The API server refused it, or did not answer in time.
    pub async fn call<T, F: Future<Output = kube::Result<T>>>(
        &self,
        verb: Verb,
        resource: &'static str,
        mut request: impl FnMut() -> F,
    ) -> Result<T, CallError> {
        let deadline = Instant::now() + self.limit;
        let mut pause = FIRST_PAUSE;
        loop {
            let failed = match self.within(deadline, verb, resource, request()).await {
                Ok(done) => return Ok(done),
                Err(failed) => failed,
            };
            let wait = failed
                .wait
                .unwrap_or_default()
                .max(pause)
                .min(LONGEST_PAUSE);
            let asked_to_wait = matches!(failed.error.code(), Some(429 | 503 | 504));
            if !asked_to_wait || Instant::now() + wait >= deadline {
                return Err(failed.error);
            }
            self.metrics.api_retry(verb.name(), resource);
            sleep(wait).await;
            pause *= 2;
        }
    }

    async fn within<T>(
        &self,
        deadline: Instant,
        verb: Verb,
        resource: &'static str,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Failed> {
        let answered = timeout_at(deadline, request).await;
        let outcome = match answered {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => {
                let wait = server_pause(&error);
                let error = CallError::new(verb, resource, error);
                Err(Failed { error, wait })
            }
            Err(_) => {
                let limit = self.limit;
                let error = CallError::TimedOut {
                    verb,
                    resource,
                    limit,
                };
                Err(Failed { error, wait: None })
            }
        };
        let result = outcome
            .as_ref()
            .map_or_else(|failed| failed.error.category(), |_| "ok");
        self.metrics.api_call(verb.name(), resource, result);
        outcome
    }
}

/// A call that failed, and how long the server wants us to wait.
struct Failed {
    error: CallError,
    wait: Option<Duration>,
}

fn server_pause(error: &kube::Error) -> Option<Duration> {
    let kube::Error::Api(status) = error else {
        return None;
    };
    let seconds = status.details.as_ref()?.retry_after_seconds;
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}
