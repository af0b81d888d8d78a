//! Which requests fail, how, and how often.

use std::sync::{Arc, Mutex};

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This status and S3 error code; the server does not hear of the request.
    Refuse {
        /// The HTTP status.
        status: u16,
        /// Such as `SlowDown`.
        code: &'static str,
    },
    /// The server does what was asked, and the client is told 500 `InternalError`.
    FailAfterCommit,
    /// The connection is reset when half of the request's body has come; the server does not hear of the request.
    Reset,
    /// The answer ends after half of the body that its length promises.
    Truncate,
    /// The answer stands still after half of its body, until the client leaves.
    Stall,
    /// The request's body is not read, until the client leaves.
    StallUpload,
    /// One bit of the answer's body is another.
    Corrupt,
    /// The server does not hear of the request's condition, as one that knows no conditional writes.
    Unconditional,
    /// The request waits until [`Injected::release`], and then passes as if nothing had been.
    Hold,
}

/// How often a fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// To the next so many requests that match.
    Next(u32),
    /// To all that match, until [`Injected::release`].
    UntilReleased,
}

/// A set of requests.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    method: Option<&'static str>,
    parts: Vec<String>,
}

impl Requests {
    /// All of them.
    pub fn any() -> Self {
        Self::default()
    }

    /// Those with this method.
    pub fn of(method: &'static str) -> Self {
        Self {
            method: Some(method),
            parts: Vec::new(),
        }
    }

    /// Of these, those whose path and query hold this text.
    pub fn at(mut self, part: impl Into<String>) -> Self {
        self.parts.push(part.into());
        self
    }

    fn hold(&self, target: &str) -> bool {
        let (method, path) = target.split_once(' ').unwrap_or((target, ""));
        self.method.is_none_or(|wanted| wanted == method)
            && self.parts.iter().all(|part| path.contains(part.as_str()))
    }
}

#[derive(Debug)]
struct Rule {
    requests: Requests,
    fault: Fault,
    /// None without an end.
    left: Option<u32>,
    hits: u32,
}

/// A fault in a plan.
#[derive(Clone, Debug)]
pub struct Injected(Arc<Mutex<Rule>>);

impl Injected {
    /// How many requests it has happened to.
    pub fn hits(&self) -> u32 {
        self.0.lock().unwrap().hits
    }

    /// From now on it happens no more.
    pub fn release(&self) {
        self.0.lock().unwrap().left = Some(0);
    }

    pub(crate) fn fault(&self) -> Fault {
        self.0.lock().unwrap().fault
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.lock().unwrap().left == Some(0)
    }
}

/// All faults, the earliest first, and the requests that came.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    rules: Mutex<Vec<Injected>>,
    seen: Mutex<Vec<String>>,
}

impl Plan {
    pub(crate) fn add(&self, requests: Requests, fault: Fault, times: Times) -> Injected {
        let left = match times {
            Times::Next(count) => Some(count),
            Times::UntilReleased => None,
        };
        let injected = Injected(Arc::new(Mutex::new(Rule {
            requests,
            fault,
            left,
            hits: 0,
        })));
        self.rules.lock().unwrap().push(injected.clone());
        injected
    }

    /// What is planned for a request that has come.
    pub(crate) fn next(&self, target: &str) -> Option<Injected> {
        self.seen.lock().unwrap().push(target.to_owned());
        let rules = self.rules.lock().unwrap();
        rules.iter().find_map(|injected| {
            let mut rule = injected.0.lock().unwrap();
            if rule.left == Some(0) || !rule.requests.hold(target) {
                return None;
            }
            rule.left = rule.left.map(|left| left - 1);
            rule.hits += 1;
            drop(rule);
            Some(injected.clone())
        })
    }

    pub(crate) fn seen(&self, requests: &Requests) -> usize {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|target| requests.hold(target)).count()
    }
}
