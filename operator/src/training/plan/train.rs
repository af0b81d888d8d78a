//! Attempts at the training itself.

use super::draft::Draft;
use crate::attempts::{Budget, Life, StartLimits, Step, last_failure};
use crate::conditions::Truth;
use crate::effect::Severity;
use crate::labels::Component;
use crate::pods::{Failure, Standing};
use crate::time::seconds_between;
use splade_crds::training::{AttemptCause, AttemptStatus};
use splade_crds::{ConditionType, DisplayState};

impl Draft<'_> {
    /// One step towards a trained model.
    pub(super) fn train(&mut self) {
        let policy = &self.spec().run_policy;
        let hold = policy.suspend;
        if self.open_attempt().is_none()
            && !hold
            && let Some(failure) = self.deadline_failure()
        {
            return self.fail(&failure);
        }
        let life = Life {
            attempts: self.attempts(Component::Training),
            size: self.spec().gang.nodes,
            start: StartLimits {
                deadline_seconds: policy.startup_deadline_seconds,
            },
            budget: Budget {
                application: policy.max_restarts,
                infrastructure: policy.infrastructure_restarts,
            },
            backoff: &policy.backoff,
            hold,
            now: self.now,
        };
        let in_row = self.failures_in_row();
        let (late, stalled) = (self.deadline_failure(), self.stall());
        let lost_group = self.dropped_pod_group();
        let judge = |standing: &Standing, _: &AttemptStatus| match standing {
            Standing::Succeeded(_) | Standing::Queued | Standing::Failed(_) => None,
            Standing::Running => late.or(stalled),
            Standing::Absent | Standing::Starting(_) | Standing::Unclear => late.or(lost_group),
        };
        let mut counts = self.status.restarts.clone();
        let record = self.status.attempts.last_mut();
        let (step, release) = life.step(record, &mut counts, in_row, judge);
        self.status.restarts = counts;
        self.take(release);
        self.run_clock(hold || matches!(step, Step::Queued | Step::Preempted));
        self.follow(step);
    }

    fn follow(&mut self, step: Step) {
        self.show_suspension();
        match step {
            Step::Ready => self.begin(),
            Step::Create => self.create_again(),
            Step::Done(_) => {
                let number = self.status.attempt.unwrap_or_default();
                let note = format!("attempt {number} has completed the training");
                self.publish(Severity::Normal, "Trained", &note);
                self.finish_up();
            }
            Step::Failed { failure, again } => self.attempt_failed(&failure, again),
            Step::Stopped => {
                let note = "pods save a checkpoint and leave: runPolicy.suspend is set";
                self.publish(Severity::Normal, "Suspended", note);
                self.show(&Step::Stopped);
            }
            Step::Preempted => {
                let note = "the queue has taken the pods back: they save a checkpoint and leave, and go on when the \
                            queue lets them";
                self.publish(Severity::Normal, "Preempted", note);
                self.show(&Step::Preempted);
            }
            step => self.show(&step),
        }
    }

    fn attempt_failed(&mut self, failure: &Failure, again: bool) {
        let number = self.status.attempt.unwrap_or_default();
        self.status.last_failure = Some(last_failure(number, failure, self.now));
        let note = format!("attempt {number}: {} ({})", failure.message, failure.reason);
        self.publish(Severity::Warning, "AttemptFailed", &note);
        if !again {
            return self.fail(failure);
        }
        self.status.state = Some(DisplayState::Restarting);
        let text = format!("attempt {number} has failed: {}", failure.message);
        self.set(ConditionType::Progressing, Truth::True, "Restarting", text);
        self.no_pods();
    }

    /// Attempts that failed one after the other. One that ran longer than the longest pause begins a new row.
    fn failures_in_row(&self) -> u32 {
        let longest = u64::from(self.spec().run_policy.backoff.max_seconds);
        let mut row = 0;
        for attempt in self.status.attempts.iter().rev() {
            let failed = matches!(
                attempt.cause,
                Some(AttemptCause::Application | AttemptCause::Infrastructure)
            );
            if !failed {
                break;
            }
            row += 1;
            let times = attempt.running_time.as_ref().zip(attempt.end_time.as_ref());
            if times.is_some_and(|(from, to)| seconds_between(from.0, to.0) > longest) {
                break;
            }
        }
        row
    }
}
