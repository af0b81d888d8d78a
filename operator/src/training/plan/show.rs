//! What people see of a training that goes on.

use super::draft::Draft;
use crate::attempts::Step;
use crate::conditions::Truth;
use crate::pods::Start;
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
                self.progressing(
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
            Step::Queued => {
                self.progressing(DisplayState::Pending, "Queued", "waiting in the queue");
                let text = "the queue holds the pods back";
                self.set(ConditionType::Scheduled, Truth::False, "Queued", text);
            }
            Step::Starting(start) => self.starting(start),
            Step::Running => {
                let text = format!("all pods of attempt {number} run");
                self.progressing(DisplayState::Running, "Running", &text);
                let text = "every pod has a node";
                self.set(ConditionType::Scheduled, Truth::True, "Scheduled", text);
                self.look_again(later(self.now, POLL_SECONDS));
            }
            Step::Ready | Step::Create | Step::Unclear | Step::Done(_) | Step::Failed { .. } => {}
        }
    }

    fn starting(&mut self, start: &Start) {
        self.status.state = Some(DisplayState::Starting);
        let moves = Truth::of(start.blocked.is_none());
        self.set(
            ConditionType::Progressing,
            moves,
            &start.reason,
            start.message.clone(),
        );
        let truth = Truth::of(start.is_scheduled);
        let reason = if start.is_scheduled {
            "Scheduled"
        } else {
            &start.reason
        };
        self.set(
            ConditionType::Scheduled,
            truth,
            reason,
            start.message.clone(),
        );
    }

    pub(super) fn between_attempts(&mut self, reason: &str, message: &str) {
        let state = match self.last_attempt() {
            Some(_) => DisplayState::Restarting,
            None => DisplayState::Pending,
        };
        self.progressing(state, reason, message);
        self.no_pods();
    }

    pub(super) fn progressing(&mut self, state: DisplayState, reason: &str, message: &str) {
        self.status.state = Some(state);
        self.set(ConditionType::Progressing, Truth::True, reason, message);
        self.set(ConditionType::Succeeded, Truth::Unknown, reason, message);
        self.set(ConditionType::Failed, Truth::Unknown, reason, message);
    }

    pub(super) fn no_pods(&mut self) {
        let text = "no attempt runs";
        self.set(ConditionType::Scheduled, Truth::False, "NoPods", text);
    }

    pub(super) fn show_suspension(&mut self) {
        let kind = ConditionType::Suspended;
        if self.spec.run_policy.suspend {
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
