//! The model that is measured.

use super::draft::Draft;
use crate::benchmark::ModelTraining;
use crate::conditions::holds;
use crate::pods::Failure;
use splade_crds::benchmark::BenchmarkModel;
use splade_crds::{ConditionType, DisplayState};

impl Draft<'_> {
    /// Where the model lies, once there is one. What is waited for is shown.
    pub(super) fn model(&mut self) -> Option<String> {
        if let Some(known) = &self.status.model_uri {
            return Some(known.clone());
        }
        let uri = match &self.observed.benchmark.spec.model {
            BenchmarkModel::Uri(uri) => uri.to_string(),
            BenchmarkModel::TrainingRef(reference) => self.model_of(&reference.name)?,
        };
        self.status.model_uri = Some(uri.clone());
        Some(uri)
    }

    fn model_of(&mut self, name: &str) -> Option<String> {
        let ModelTraining::Found(training) = &self.observed.model_of else {
            self.stuck(
                "TrainingMissing",
                &format!("there is no SpladeTraining {name}"),
            );
            return None;
        };
        let status = training.status.as_ref();
        if let Some(model) = status.and_then(|status| status.model.as_ref()) {
            return Some(model.uri.clone());
        }
        let conditions = status.map(|status| status.conditions.as_slice());
        let conditions = conditions.unwrap_or_default();
        if holds(conditions, ConditionType::Failed) {
            let text = format!("SpladeTraining {name} has failed and has no model");
            self.fail(&Failure::configuration("TrainingFailed", text));
        } else if holds(conditions, ConditionType::Succeeded) {
            let text = format!("SpladeTraining {name} has ended and exports no model");
            self.fail(&Failure::configuration("NothingExported", text));
        } else {
            let text = format!("waiting for the model of SpladeTraining {name}");
            self.goes_on(DisplayState::Pending, "WaitingForModel", &text);
            self.no_pods();
        }
        None
    }
}
