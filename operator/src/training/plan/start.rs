//! The beginning of an attempt.

use super::draft::Draft;
use crate::attempts;
use crate::conditions::{Truth, find, holds};
use crate::effect::{Effect, Severity};
use crate::pods::Failure;
use crate::time::later;
use crate::training::{InitFromTraining, ValidTraining, build};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use splade_crds::training::{InitFrom, SchedulerType};
use splade_crds::{ConditionType, DisplayState, SpladeTraining};

/// Attempts that a status keeps.
const MOST_ATTEMPTS: usize = 10;
/// Seconds until it is looked again whether the cluster has a scheduler.
const SCHEDULER_SECONDS: u64 = 60;

impl<'a> Draft<'a> {
    /// Begins the next attempt, unless something is missing: then it is shown and waited for.
    pub(super) fn begin(&mut self) {
        let Some(training) = self.valid() else { return };
        if !self.initial_weights_are_there() {
            return;
        }
        let number = self.status.attempt.unwrap_or_default() + 1;
        let record = attempts::begin(number, &self.observed.fresh_traceparent, self.now);
        self.status.attempt = Some(number);
        self.status.attempts.push(record);
        let surplus = self.status.attempts.len().saturating_sub(MOST_ATTEMPTS);
        self.status.attempts.drain(..surplus);
        self.status.start_time.get_or_insert(Time(self.now));
        self.create(&training);
        self.publish(
            Severity::Normal,
            "AttemptStarted",
            &format!("attempt {number} begins"),
        );
    }

    /// Creates what of the attempt is missing.
    pub(super) fn create_again(&mut self) {
        if let Some(training) = self.valid() {
            self.create(&training);
        }
    }

    fn create(&mut self, training: &ValidTraining<'_>) {
        let Some(record) = self.last_attempt() else {
            return;
        };
        let number = record.number;
        let weights = self.status.initial_weights.as_deref();
        let (offers, settings) = (&self.observed.offers, &self.observed.settings);
        match build::attempt(training, record, weights, offers, settings) {
            Ok(objects) => {
                let text = format!("attempt {number} is being created");
                self.goes_on(DisplayState::Pending, "Creating", &text);
                self.set(ConditionType::Scheduled, Truth::False, "Creating", text);
                self.effects.push(Effect::Create(objects));
            }
            Err(error) => self.stuck("BuildFailed", &error.to_string()),
        }
    }

    /// The training, if pods can be built from it in this cluster.
    pub(super) fn valid(&mut self) -> Option<ValidTraining<'a>> {
        if let Some(missing) = self.missing_scheduler() {
            self.stuck("SchedulerMissing", missing);
            self.look_again(later(self.now, SCHEDULER_SECONDS));
            return None;
        }
        match ValidTraining::new(&self.observed.training) {
            Ok(valid) => Some(valid),
            Err(error) => {
                // Only another spec can help, and that is news.
                self.stuck("InvalidSpec", &error.to_string());
                None
            }
        }
    }

    fn missing_scheduler(&self) -> Option<&'static str> {
        let offers = &self.observed.offers;
        let (there, missing) = match self.spec().gang.scheduler.kind {
            SchedulerType::None => return None,
            SchedulerType::Kueue => (offers.kueue, "the cluster has no Kueue (kueue.x-k8s.io)"),
            SchedulerType::Volcano => (
                offers.volcano,
                "the cluster has no Volcano (scheduling.volcano.sh)",
            ),
            SchedulerType::Kai => (
                offers.kai,
                "the cluster has no KAI Scheduler (scheduling.run.ai)",
            ),
            SchedulerType::PodGroup => (
                offers.pod_group.is_some(),
                "the API server serves no PodGroup of scheduling.k8s.io",
            ),
        };
        (!there).then_some(missing)
    }

    /// Shows what holds the training up until somebody changes something.
    pub(super) fn stuck(&mut self, reason: &str, message: &str) {
        let seen = holds_for(&self.status.conditions, reason);
        if !self.is_trained() {
            self.between_attempts(reason, message);
        }
        self.set(ConditionType::Progressing, Truth::False, reason, message);
        if !seen {
            self.publish(Severity::Warning, "CannotProceed", message);
        }
    }

    /// Finds the weights of the training that this one starts from.
    fn initial_weights_are_there(&mut self) -> bool {
        let Some(InitFrom::TrainingRef(reference)) = &self.spec().init_from else {
            return true;
        };
        if self.status.initial_weights.is_some() {
            return true;
        }
        let name = &reference.name;
        match &self.observed.init_from {
            InitFromTraining::Found(before) => match final_weights(before) {
                Some(uri) => {
                    self.status.initial_weights = Some(uri);
                    true
                }
                None => {
                    self.wait_for(name, before);
                    false
                }
            },
            InitFromTraining::Missing | InitFromTraining::NotAsked => {
                self.stuck(
                    "InitFromMissing",
                    &format!("there is no SpladeTraining {name}"),
                );
                false
            }
        }
    }

    fn wait_for(&mut self, name: &str, before: &SpladeTraining) {
        let conditions = before
            .status
            .as_ref()
            .map(|status| status.conditions.as_slice());
        if holds(conditions.unwrap_or_default(), ConditionType::Failed) {
            let text = format!("SpladeTraining {name}, from which this one starts, has failed");
            return self.fail(&Failure::configuration("InitFromFailed", text));
        }
        let text = format!("waiting for the weights of SpladeTraining {name}");
        self.goes_on(DisplayState::Pending, "WaitingForInitFrom", &text);
        self.no_pods();
    }
}

/// Where the final weights of a training lie, once there are any: its exported model, or its last checkpoint when it
/// exports none.
fn final_weights(training: &SpladeTraining) -> Option<String> {
    let status = training.status.as_ref()?;
    if let Some(model) = &status.model {
        return Some(model.uri.clone());
    }
    let is_final = holds(&status.conditions, ConditionType::Succeeded);
    let checkpoint = status.checkpoint.as_ref().filter(|_| is_final)?;
    Some(checkpoint.uri.clone())
}

fn holds_for(conditions: &[Condition], reason: &str) -> bool {
    find(conditions, ConditionType::Progressing).is_some_and(|condition| {
        condition.status == Truth::False.name() && condition.reason == reason
    })
}
