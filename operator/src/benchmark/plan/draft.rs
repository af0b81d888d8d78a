//! A decision about a benchmark in the making.

use crate::benchmark::Observed;
use crate::conditions::Truth;
use crate::draft::{self, Planned, Shared};
use crate::effect::Decision;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use splade_crds::{ConditionType, DisplayState, SpladeBenchmarkStatus};

/// A decision in the making.
pub(super) type Draft<'a> = draft::Draft<'a, Observed>;

impl Planned for Observed {
    type Status = SpladeBenchmarkStatus;
    const CONDITIONS: &'static [ConditionType] = &[
        ConditionType::Succeeded,
        ConditionType::Failed,
        ConditionType::Progressing,
        ConditionType::Scheduled,
        ConditionType::ResourcesReleased,
    ];

    fn now(&self) -> Timestamp {
        self.now
    }

    fn metadata(&self) -> &ObjectMeta {
        &self.benchmark.metadata
    }

    fn status(&self) -> Option<&SpladeBenchmarkStatus> {
        self.benchmark.status.as_ref()
    }

    fn conditions(status: &SpladeBenchmarkStatus) -> &[Condition] {
        &status.conditions
    }

    fn shared(status: &mut SpladeBenchmarkStatus) -> Shared<'_> {
        Shared {
            observed_generation: &mut status.observed_generation,
            conditions: &mut status.conditions,
            state: &mut status.state,
        }
    }
}

impl Draft<'_> {
    /// Shows what holds the benchmark up until somebody changes something.
    pub(super) fn stuck(&mut self, reason: &str, message: &str) {
        self.show_state(DisplayState::Pending);
        self.set(ConditionType::Progressing, Truth::False, reason, message);
        self.no_pods();
    }

    pub(super) fn decide(self) -> Decision<SpladeBenchmarkStatus> {
        let open = self.status.attempt.as_ref();
        let goes_on = open
            .is_some_and(|attempt| attempt.cause.is_none())
            .then(|| ("AttemptGoesOn", "the attempt has not ended".into()));
        self.decided(goes_on, "no pod can still run")
    }
}
