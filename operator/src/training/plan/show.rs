//! What people see of a training that goes on.

use super::draft::Draft;
use crate::attempts::Step;
use crate::conditions::Truth;
use crate::time::later;
use splade_crds::{ConditionType, DisplayState};

/// Seconds between two questions to rank 0.
const POLL_SECONDS: u64 = 15;

impl Draft<'_> {
    /// Shows where the attempts at the training stand.
    pub(super) fn show(&mut self, step: &Step) {
        let number = self.status.attempt.unwrap_or_default();
        match step {
            Step::Held | Step::Stopped => {
                self.goes_on(
                    DisplayState::Suspended,
                    "Suspended",
                    "runPolicy.suspend is set",
                );
                self.no_pods();
            }
            Step::Leaving => {
                self.between_attempts("PodsLeaving", "waiting until earlier pods cannot run");
            }
            Step::Pausing(until) => {
                let text = format!("the next attempt begins at {until}");
                self.between_attempts("BackOff", &text);
            }
            Step::Queued | Step::Preempted => self.queued(),
            Step::Starting(start) => self.shows_start(start),
            Step::Running => {
                let text = format!("all pods of attempt {number} run");
                self.goes_on(DisplayState::Running, "Running", &text);
                let text = "every pod has a node";
                self.set(ConditionType::Scheduled, Truth::True, "Scheduled", text);
                self.look_again(later(self.now, POLL_SECONDS));
            }
            Step::Ready | Step::Create | Step::Unclear | Step::Done(_) | Step::Failed { .. } => {}
        }
    }

    fn queued(&mut self) {
        let preemptions = self.last_attempt().map_or(0, |last| last.preemptions);
        let (reason, text) = match preemptions {
            0 => ("Queued", "the queue holds the pods back"),
            _ => ("Preempted", "the queue has taken the pods back"),
        };
        self.goes_on(DisplayState::Pending, reason, "waiting in the queue");
        self.set(ConditionType::Scheduled, Truth::False, reason, text);
        self.forget_estimate();
    }

    pub(super) fn between_attempts(&mut self, reason: &str, message: &str) {
        let state = match self.last_attempt() {
            Some(_) => DisplayState::Restarting,
            None => DisplayState::Pending,
        };
        self.goes_on(state, reason, message);
        self.no_pods();
    }

    pub(super) fn show_suspension(&mut self) {
        let kind = ConditionType::Suspended;
        if self.spec().run_policy.suspend {
            self.set(kind, Truth::True, "Suspended", "runPolicy.suspend is set");
        } else {
            self.set(
                kind,
                Truth::False,
                "NotSuspended",
                "runPolicy.suspend is not set",
            );
        }
    }
}
