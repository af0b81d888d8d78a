//! From what is observed of a benchmark to its new status and what is to be done.
//!
//! A benchmark waits for its model, then makes attempts until one has measured it. `Succeeded` and `Failed` stay
//! once they hold, until `ttlSecondsAfterFinished` are over and the benchmark is deleted.

mod draft;
mod follow;
mod model;

use crate::attempts::{Attempts, Budget, Keep, Life, StartLimits};
use crate::benchmark::Observed;
use crate::effect::Decision;
use crate::labels::Component;
use crate::pods::{Failure, Standing};
use draft::Draft;
use splade_crds::SpladeBenchmarkStatus;
use splade_crds::training::{AttemptCause, BackoffSpec};

/// How often a benchmark is tried again.
const BUDGET: Budget = Budget {
    application: 1,
    infrastructure: 10,
};
/// How long a pod may take to start.
const START: StartLimits = StartLimits {
    deadline_seconds: 3600,
};

/// Decides what follows from what is observed.
pub fn plan(observed: &Observed) -> Decision<SpladeBenchmarkStatus> {
    if observed.benchmark.metadata.deletion_timestamp.is_some() {
        // What it owns is collected with it.
        return Decision {
            status: observed.benchmark.status.clone().unwrap_or_default(),
            effects: Vec::new(),
            requeue_after: None,
        };
    }
    let mut draft = Draft::new(observed);
    if draft.has_ended() {
        draft.free_after_end();
        draft.expire_after_end();
    } else {
        draft.measure();
    }
    draft.decide()
}

impl<'a> Draft<'a> {
    fn attempts(&self) -> Attempts<'a> {
        Attempts {
            component: Component::Benchmark,
            owner: self.name(),
            jobs: &self.observed.jobs,
            pods: &self.observed.pods,
            pod_group: None,
            offers: self.observed.offers,
        }
    }

    fn measure(&mut self) {
        let backoff = BackoffSpec::default();
        let life = Life {
            attempts: self.attempts(),
            size: 1,
            start: START,
            budget: BUDGET,
            backoff: &backoff,
            hold: false,
            now: self.now,
        };
        let mut counts = self.status.restarts.clone();
        let in_row = counts.application + counts.infrastructure;
        let record = self.status.attempt.as_mut();
        let judge = |standing: &Standing, _: &_| untold(standing);
        let (step, release) = life.step(record, &mut counts, in_row, judge);
        self.status.restarts = counts;
        self.take(release);
        self.follow(step);
    }

    fn free_after_end(&mut self) {
        let keep = match &self.status.attempt {
            Some(last) if last.cause == Some(AttemptCause::Completed) => Keep::Attempt(last.number),
            Some(last) => last
                .end_time
                .as_ref()
                .map_or(Keep::Nothing, |ended| Keep::Ended(last.number, ended.0)),
            None => Keep::Nothing,
        };
        let release = self.attempts().release(keep, self.now);
        self.take(release);
    }
}

/// A benchmark that has ended well without telling what it measured: its pod is gone. It is done again.
fn untold(standing: &Standing) -> Option<Failure> {
    let Standing::Succeeded(message) = standing else {
        return None;
    };
    let message = message.as_ref().as_ref();
    let told = message.is_some_and(|message| message.benchmark.is_some());
    (!told).then(|| {
        let text = "the benchmark does not tell what it measured";
        Failure::infrastructure("ResultLost", text)
    })
}
