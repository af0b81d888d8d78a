//! What follows from where the attempts of a benchmark stand.

use super::draft::Draft;
use crate::attempts::{self, Step, last_failure};
use crate::benchmark::{ModelTraining, ValidBenchmark, build};
use crate::conditions::Truth;
use crate::effect::{Effect, Severity};
use crate::pods::{Failure, Start, TerminationMessage};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use splade_crds::{ConditionType, DisplayState};

impl Draft<'_> {
    pub(super) fn follow(&mut self, step: Step) {
        match step {
            Step::Ready => self.begin(),
            Step::Create => self.create(),
            Step::Done(message) => self.measured(*message),
            Step::Failed { failure, again } => self.attempt_failed(&failure, again),
            Step::Starting(start) => self.starts(&start),
            Step::Running => {
                self.goes_on(DisplayState::Running, "Running", "the pod runs");
                let text = "the pod has a node";
                self.set(ConditionType::Scheduled, Truth::True, "Scheduled", text);
            }
            Step::Leaving => {
                let text = "waiting until an earlier pod cannot run";
                self.goes_on(DisplayState::Restarting, "PodsLeaving", text);
                self.no_pods();
            }
            Step::Pausing(until) => {
                let text = format!("the next attempt begins at {until}");
                self.goes_on(DisplayState::Restarting, "BackOff", &text);
                self.no_pods();
            }
            Step::Queued | Step::Preempted | Step::Held | Step::Stopped => {
                let text = "somebody holds the Job back";
                self.goes_on(DisplayState::Pending, "Queued", text);
                self.set(ConditionType::Scheduled, Truth::False, "Queued", text);
            }
            Step::Unclear => {}
        }
    }

    fn begin(&mut self) {
        let Some(uri) = self.model() else { return };
        if self.valid().is_none() {
            return;
        }
        let number = self.status.attempt.as_ref().map_or(0, |last| last.number) + 1;
        let trace = self.traceparent();
        self.status.attempt = Some(attempts::begin(number, &trace, self.now));
        self.status.start_time.get_or_insert(Time(self.now));
        self.create();
        let text = format!("attempt {number} measures {uri}");
        self.publish(Severity::Normal, "AttemptStarted", &text);
    }

    /// A benchmark of a training's model belongs to the trace of the attempt that has trained it.
    fn traceparent(&self) -> String {
        let training = match &self.observed.model_of {
            ModelTraining::Found(training) => training.status.as_ref(),
            ModelTraining::NotAsked | ModelTraining::Missing => None,
        };
        training
            .and_then(|status| status.attempts.last()?.traceparent.clone())
            .unwrap_or_else(|| self.observed.fresh_traceparent.clone())
    }

    fn create(&mut self) {
        let Some(uri) = self.model() else { return };
        let Some(benchmark) = self.valid() else {
            return;
        };
        let Some(record) = &self.status.attempt else {
            return;
        };
        match build::attempt(&benchmark, record, &uri, &self.observed.settings) {
            Ok(objects) => {
                self.effects.push(Effect::Create(objects));
                let text = "the pod is being created";
                self.goes_on(DisplayState::Pending, "Creating", text);
                self.set(ConditionType::Scheduled, Truth::False, "Creating", text);
            }
            Err(error) => self.stuck("BuildFailed", &error.to_string()),
        }
    }

    fn starts(&mut self, start: &Start) {
        self.goes_on(DisplayState::Starting, &start.reason, &start.message);
        self.shows_start(start);
    }

    fn attempt_failed(&mut self, failure: &Failure, again: bool) {
        let number = self.status.attempt.as_ref().map_or(0, |last| last.number);
        self.status.last_failure = Some(last_failure(number, failure, self.now));
        let text = format!("attempt {number}: {} ({})", failure.message, failure.reason);
        self.publish(Severity::Warning, "AttemptFailed", &text);
        if again {
            self.goes_on(DisplayState::Restarting, "Restarting", &text);
            self.no_pods();
        } else {
            self.fail(failure);
        }
    }

    fn measured(&mut self, message: Option<TerminationMessage>) {
        let Some(told) = message.and_then(|message| message.benchmark) else {
            return;
        };
        self.status.dataset = told.dataset;
        self.status.results = told.results;
        self.status.summary = told.summary;
        self.status.report_uri = told.report_uri;
        self.status.model_digest = told.model_digest;
        let text = "the model has been measured";
        self.has_succeeded(text);
        self.publish(Severity::Normal, "Succeeded", text);
        self.end();
    }

    /// The benchmark has failed for good.
    pub(super) fn fail(&mut self, failure: &Failure) {
        self.has_failed(failure);
        self.publish(Severity::Warning, "Failed", &failure.message);
        self.end();
    }

    fn end(&mut self) {
        self.set(
            ConditionType::Progressing,
            Truth::True,
            "Finished",
            "the benchmark has ended",
        );
        self.no_pods();
        self.status.completion_time = Some(Time(self.now));
        self.expire_after_end();
    }

    /// Deletes the benchmark when its time has come.
    pub(super) fn expire_after_end(&mut self) {
        let ttl = self.observed.benchmark.spec.ttl_seconds_after_finished;
        let ended = self.status.completion_time.as_ref().map(|time| time.0);
        self.expire(ttl, ended);
    }
}

impl<'a> Draft<'a> {
    fn valid(&mut self) -> Option<ValidBenchmark<'a>> {
        match ValidBenchmark::new(&self.observed.benchmark) {
            Ok(valid) => Some(valid),
            Err(error) => {
                self.stuck("InvalidSpec", &error.to_string());
                None
            }
        }
    }
}
