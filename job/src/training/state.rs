//! What a checkpoint remembers of the run itself.

use super::plan::{Length, TrainingPlan};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `state.json` of a checkpoint. With the weights and the moments it is all that a run depends on: the order of
/// the data follows from seed and step, both schedules from the step, and nothing else is random.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingState {
    /// Optimizer steps done.
    pub step: u64,
    /// Optimizer steps of the whole run.
    pub total_steps: u64,
    /// The recipe, as JSON.
    pub recipe: Value,
    /// Digest of tokenizer, lengths and triplets.
    pub data_fingerprint: String,
    /// Digest of the configuration and the weights that the run started from.
    pub starting_point: String,
    /// Ranks that trained together.
    pub world_size: u32,
    /// Version of this program.
    pub version: String,
}

impl TrainingState {
    /// The state of a run after `step` optimizer steps.
    pub fn new(
        plan: &TrainingPlan,
        data_fingerprint: &str,
        starting_point: &str,
        step: u64,
        total_steps: u64,
    ) -> Self {
        Self {
            step,
            total_steps,
            recipe: Self::recipe_of(plan),
            data_fingerprint: data_fingerprint.to_owned(),
            starting_point: starting_point.to_owned(),
            world_size: 1,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// The recipe of a plan as it stands in a state.
    pub fn recipe_of(plan: &TrainingPlan) -> Value {
        // Plain data: it always serialises, and a null would only refuse to resume.
        serde_json::to_value(&plan.recipe).unwrap_or(Value::Null)
    }

    /// What sets another state's run apart from this one; None where this run may continue from it.
    pub fn differences(&self, other: &Self) -> Option<String> {
        let mut differences = Vec::new();
        compare("", &self.recipe, &other.recipe, &mut differences);
        if self.data_fingerprint != other.data_fingerprint && differences.is_empty() {
            differences
                .push("the tokenizer or the content of the training files has changed".to_owned());
        }
        if self.starting_point != other.starting_point && differences.is_empty() {
            differences.push(
                "the weights or the config.json that it started from (model.base, initFrom) have changed".to_owned(),
            );
        }
        if self.world_size != other.world_size {
            differences.push(format!(
                "it ran on {} ranks, this run has {}",
                other.world_size, self.world_size
            ));
        }
        (!differences.is_empty()).then(|| differences.join("; "))
    }

    /// Whether the run is over.
    pub fn is_finished(&self) -> bool {
        self.step >= self.total_steps
    }
}

fn compare(path: &str, now: &Value, then: &Value, differences: &mut Vec<String>) {
    match (now, then) {
        (Value::Object(now), Value::Object(then)) => {
            for (key, value) in now {
                let inner = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                compare(
                    &inner,
                    value,
                    then.get(key).unwrap_or(&Value::Null),
                    differences,
                );
            }
        }
        (now, then) if now != then => {
            differences.push(format!("{path} was {then}, now it is {now}"))
        }
        _ => {}
    }
}

impl Length {
    /// For messages: `25 epochs` or `1000 steps`.
    pub fn describe(&self) -> String {
        match self {
            Self::Epochs(epochs) => format!("{epochs} epochs"),
            Self::Steps(steps) => format!("{steps} steps"),
        }
    }
}
