//! Attempts at the export, once the training itself is done.

use super::draft::Draft;
use crate::attempts::{self, Budget, Keep, Life, StartLimits, Step, last_failure};
use crate::conditions::Truth;
use crate::effect::{Effect, Severity};
use crate::labels::Component;
use crate::pods::{Failure, Standing, TerminationMessage};
use crate::training::build;
use splade_crds::training::{ExportStatus, ModelStatus, RestartCounts};
use splade_crds::{ConditionType, DisplayState};

/// How often an export is tried again. It is short, and a program that has failed thrice will fail again.
const BUDGET: Budget = Budget {
    application: 2,
    infrastructure: 10,
};

impl Draft<'_> {
    /// One step of what comes after the training itself: the export, then the benchmarks, then the end.
    pub(super) fn finish_up(&mut self) {
        if let Some(last) = self.last_attempt() {
            let keep = Keep::Attempt(last.number);
            let release = self.attempts(Component::Training).release(keep, self.now);
            self.take(release);
        }
        self.no_pods();
        self.show_suspension();
        if self.spec().export.is_none() {
            let text = "spec.export is not set";
            self.set(ConditionType::Exported, Truth::False, "NotAsked", text);
            self.set(ConditionType::Benchmarked, Truth::False, "NotAsked", text);
            self.succeed();
        } else if self.status.model.is_some() {
            self.benchmark();
        } else {
            self.export();
        }
    }

    fn export(&mut self) {
        let policy = &self.spec().run_policy;
        let (mut record, mut counts) = match self.status.export.take() {
            Some(ExportStatus { attempt, restarts }) => (Some(attempt), restarts),
            None => (None, RestartCounts::default()),
        };
        let life = Life {
            attempts: self.attempts(Component::Export),
            size: 1,
            start: StartLimits {
                deadline_seconds: policy.startup_deadline_seconds,
            },
            budget: BUDGET,
            backoff: &policy.backoff,
            hold: policy.suspend,
            now: self.now,
        };
        let in_row = counts.application + counts.infrastructure;
        let judge = |standing: &Standing, _: &_| untold(standing);
        let (step, release) = life.step(record.as_mut(), &mut counts, in_row, judge);
        self.status.export = record.map(|attempt| ExportStatus {
            attempt,
            restarts: counts,
        });
        self.take(release);
        self.follow_export(step);
    }

    fn follow_export(&mut self, step: Step) {
        match step {
            Step::Ready => self.begin_export(),
            Step::Create => self.create_export(),
            Step::Done(message) => self.exported(*message),
            Step::Failed { failure, again } => self.export_failed(&failure, again),
            Step::Held | Step::Stopped => self.show(&Step::Held),
            Step::Starting(start) => {
                let text = format!("the export starts: {}", start.message);
                self.exporting(&start.reason, &text);
                let moves = Truth::of(start.blocked.is_none());
                self.set(ConditionType::Progressing, moves, &start.reason, text);
            }
            Step::Queued | Step::Preempted => {
                self.exporting("Queued", "the export waits in the queue")
            }
            Step::Running | Step::Unclear => self.exporting("Exporting", "the export runs"),
            Step::Leaving => self.exporting("PodsLeaving", "an earlier export still ends"),
            Step::Pausing(until) => {
                self.exporting("BackOff", &format!("the export is tried again at {until}"));
            }
        }
    }

    fn begin_export(&mut self) {
        let last = self.status.export.take();
        let number = last.as_ref().map_or(0, |last| last.attempt.number) + 1;
        // The export belongs to the trace of the attempt that has completed the training.
        let trace = self
            .last_attempt()
            .and_then(|last| last.traceparent.clone());
        let trace = trace.unwrap_or_else(|| self.observed.fresh_traceparent.clone());
        self.status.export = Some(ExportStatus {
            attempt: attempts::begin(number, &trace, self.now),
            restarts: last.map(|last| last.restarts).unwrap_or_default(),
        });
        self.create_export();
        self.publish(
            Severity::Normal,
            "ExportStarted",
            &format!("export {number} begins"),
        );
    }

    fn create_export(&mut self) {
        let Some(training) = self.valid() else { return };
        let Some(export) = &self.status.export else {
            return;
        };
        let weights = self.status.initial_weights.as_deref();
        let (offers, settings) = (&self.observed.offers, &self.observed.settings);
        match build::export(&training, &export.attempt, weights, offers, settings) {
            Ok(objects) => {
                self.effects.push(Effect::Create(objects));
                self.exporting("Creating", "the export is being created");
            }
            Err(error) => self.stuck("BuildFailed", &error.to_string()),
        }
    }

    fn exporting(&mut self, reason: &str, message: &str) {
        self.goes_on(DisplayState::Exporting, reason, message);
        self.set(ConditionType::Exported, Truth::Unknown, reason, message);
    }

    fn exported(&mut self, message: Option<TerminationMessage>) {
        let Some(model) = message.and_then(|message| message.model) else {
            return;
        };
        let text = format!("the model is at {}", model.uri);
        self.set(
            ConditionType::Exported,
            Truth::True,
            "Exported",
            text.clone(),
        );
        self.publish(Severity::Normal, "Exported", &text);
        self.status.model = Some(ModelStatus {
            uri: model.uri,
            digest: model.digest,
        });
        self.benchmark();
    }

    fn export_failed(&mut self, failure: &Failure, again: bool) {
        let attempt = self.status.attempt.unwrap_or_default();
        self.status.last_failure = Some(last_failure(attempt, failure, self.now));
        let text = format!(
            "the export has failed: {} ({})",
            failure.message, failure.reason
        );
        self.publish(Severity::Warning, "ExportFailed", &text);
        if again {
            self.exporting("Restarting", &text);
        } else {
            self.set(
                ConditionType::Exported,
                Truth::False,
                &failure.reason,
                text.clone(),
            );
            let failure = Failure {
                reason: "ExportFailed".into(),
                message: text,
                ..failure.clone()
            };
            self.fail(&failure);
        }
    }
}

/// An export that has ended well without telling which model it wrote: its pod is gone. It is done again.
fn untold(standing: &Standing) -> Option<Failure> {
    let Standing::Succeeded(message) = standing else {
        return None;
    };
    let told = message
        .as_ref()
        .as_ref()
        .is_some_and(|message| message.model.is_some());
    (!told).then(|| {
        Failure::infrastructure(
            "ResultLost",
            "the export does not tell which model it wrote",
        )
    })
}
