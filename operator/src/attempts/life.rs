//! One step in the life of attempts.

use super::release::{Attempts, Keep, Release};
use super::{Budget, StartLimits, close, pause_seconds};
use crate::effect::Effect;
use crate::names;
use crate::pods::{Failure, Gang, Standing, Start, TerminationMessage};
use crate::time::later;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use splade_crds::training::{AttemptCause, AttemptStatus, BackoffSpec, RestartCounts};

/// Seconds until it has to show why an attempt has failed.
const UNCLEAR_SECONDS: u64 = 5;

/// What rules over attempts.
#[derive(Clone, Copy, Debug)]
pub struct Life<'a> {
    /// The attempts as they show in the cluster.
    pub attempts: Attempts<'a>,
    /// Pods of an attempt.
    pub size: u32,
    /// How long an attempt may take to start.
    pub start: StartLimits,
    /// How often an attempt may follow one that failed.
    pub budget: Budget,
    /// Pause before it.
    pub backoff: &'a BackoffSpec,
    /// The owner is held back.
    pub hold: bool,
    /// The time.
    pub now: Timestamp,
}

/// Where the attempts of an owner stand.
#[derive(Clone, Debug)]
pub enum Step {
    /// The next attempt may begin.
    Ready,
    /// What earlier attempts hold is not free yet.
    Leaving,
    /// The next attempt waits for a time.
    Pausing(Timestamp),
    /// The owner is held back, and no attempt runs.
    Held,
    /// The objects of the attempt are missing.
    Create,
    /// A queue holds the attempt back.
    Queued,
    /// A queue has taken the pods back, just now: they save and leave, and the attempt waits in its Job.
    Preempted,
    /// Not all pods run.
    Starting(Start),
    /// All pods run.
    Running,
    /// It will show in a moment why pods of the attempt have gone, and whether it has failed.
    Unclear,
    /// The attempt has ended well, just now.
    Done(Box<Option<TerminationMessage>>),
    /// The attempt was ended because the owner is held back, just now.
    Stopped,
    /// The attempt has failed, just now.
    Failed {
        /// Why.
        failure: Failure,
        /// Another attempt follows.
        again: bool,
    },
}

impl Life<'_> {
    /// Moves the record and the counters by one step. `judge` finds failures that only the
    /// owner knows of; a success is put before it too.
    pub fn step(
        &self,
        record: Option<&mut AttemptStatus>,
        counts: &mut RestartCounts,
        in_row: u32,
        judge: impl FnOnce(&Standing, &AttemptStatus) -> Option<Failure>,
    ) -> (Step, Release) {
        match record {
            Some(record) if record.cause.is_none() => self.follow(record, counts, judge),
            Some(record) => self.between(Some(record), in_row),
            None => self.between(None, in_row),
        }
    }

    fn follow(
        &self,
        record: &mut AttemptStatus,
        counts: &mut RestartCounts,
        judge: impl FnOnce(&Standing, &AttemptStatus) -> Option<Failure>,
    ) -> (Step, Release) {
        let gang = self.gang(record.number);
        if record.job_uid.is_none() {
            record.job_uid = gang.job.and_then(|job| job.metadata.uid.clone());
        }
        let standing = Standing::of(&gang, record, self.now);
        let ran = record.running_time.is_some();
        self.note(record, &standing);
        let failure = match &standing {
            Standing::Succeeded(message) => match judge(&standing, record) {
                Some(failure) => Some(failure),
                None => {
                    close(record, AttemptCause::Completed, "Completed", self.now);
                    return (Step::Done(message.clone()), Release::default());
                }
            },
            Standing::Failed(failure) => Some(failure.clone()),
            _ if self.hold => {
                close(record, AttemptCause::Suspended, "Suspended", self.now);
                return (Step::Stopped, self.release_attempt(record.number));
            }
            Standing::Starting(start) => judge(&standing, record)
                .or_else(|| self.start.failure(&gang, record, start, self.now)),
            Standing::Absent | Standing::Queued | Standing::Running | Standing::Unclear => {
                judge(&standing, record)
            }
        };
        match failure {
            Some(failure) => self.end(record, counts, failure),
            None if ran && standing == Standing::Queued => (Step::Preempted, Release::default()),
            None => self.goes_on(&gang, record, standing),
        }
    }

    /// Writes down what the cluster shows of an attempt for the first time.
    fn note(&self, record: &mut AttemptStatus, standing: &Standing) {
        match standing {
            Standing::Starting(start) => self.start.note(record, start, self.now),
            Standing::Running => {
                record.blocked_time = None;
                record.running_time.get_or_insert(Time(self.now));
            }
            Standing::Queued => {
                record.blocked_time = None;
                record.preemptions += u32::from(record.running_time.take().is_some());
            }
            _ => {}
        }
    }

    fn end(
        &self,
        record: &mut AttemptStatus,
        counts: &mut RestartCounts,
        failure: Failure,
    ) -> (Step, Release) {
        close(record, failure.cause, &failure.reason, self.now);
        record.exit_code = failure.exit_code;
        record.node.clone_from(&failure.node);
        let again = self.budget.spend(counts, failure.cause);
        let release = if again {
            self.release_attempt(record.number)
        } else {
            let keep = Keep::Ended(record.number, self.now);
            self.attempts.release(keep, self.now)
        };
        (Step::Failed { failure, again }, release)
    }

    fn goes_on(
        &self,
        gang: &Gang<'_>,
        record: &AttemptStatus,
        standing: Standing,
    ) -> (Step, Release) {
        let mut release = Release::default();
        let step = match standing {
            Standing::Starting(start) => {
                release.next = self.start.next(gang, record);
                Step::Starting(start)
            }
            Standing::Queued => Step::Queued,
            Standing::Unclear => {
                release.next = Some(later(self.now, UNCLEAR_SECONDS));
                Step::Unclear
            }
            Standing::Absent => {
                release = self
                    .attempts
                    .release(Keep::Attempt(record.number), self.now);
                if release.held.is_empty() {
                    Step::Create
                } else {
                    Step::Leaving
                }
            }
            Standing::Running | Standing::Succeeded(_) | Standing::Failed(_) => Step::Running,
        };
        (step, release)
    }

    fn between(&self, last: Option<&AttemptStatus>, in_row: u32) -> (Step, Release) {
        let mut release = self.attempts.release(Keep::Nothing, self.now);
        if self.hold {
            return (Step::Held, release);
        }
        if !release.held.is_empty() {
            return (Step::Leaving, release);
        }
        let failed = last.filter(|last| last.cause != Some(AttemptCause::Suspended));
        let ended = failed.and_then(|last| last.end_time.as_ref());
        let pause = pause_seconds(self.backoff, in_row);
        // A clock that went back says nothing about how long the pause has been.
        let until = ended
            .filter(|ended| ended.0 <= self.now)
            .map(|ended| later(ended.0, pause));
        match until.filter(|until| self.now < *until) {
            Some(until) => {
                release.next = Some(until);
                (Step::Pausing(until), release)
            }
            None => (Step::Ready, release),
        }
    }

    /// Frees everything, and what belongs to an attempt whose Job was never made.
    fn release_attempt(&self, number: u32) -> Release {
        let mut release = self.attempts.release(Keep::Nothing, self.now);
        if self.gang(number).job.is_none() {
            let name = names::of_attempt(self.attempts.component, self.attempts.owner, number);
            let objects = self.attempts.objects(name);
            release.effects.push(Effect::DeleteAttempt(objects));
        }
        release
    }

    fn gang(&self, number: u32) -> Gang<'_> {
        let Attempts {
            component,
            owner,
            jobs,
            pods,
            ..
        } = self.attempts;
        Gang::find(component, owner, number, self.size, jobs, pods)
    }
}
