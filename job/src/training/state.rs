//! What a checkpoint remembers of the run itself.

use super::evaluation::{Best, Standing};
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
    pub world_size: usize,
    /// What evaluations have found, where there are any.
    pub standing: Option<Standing>,
    /// Version of this program.
    pub version: String,
}

impl TrainingState {
    /// The recipe of a plan as it stands in a state.
    pub fn recipe_of(plan: &TrainingPlan) -> Value {
        // Plain data: it always serialises, and a null would only refuse to resume.
        serde_json::to_value(&plan.recipe).unwrap_or(Value::Null)
    }

    /// What sets another state's run apart from this one; None where it is the same, whatever ranks it runs on.
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
        (!differences.is_empty()).then(|| differences.join("; "))
    }

    /// The checkpoint that is the result of the run, where evaluations select it; None where that is the last one.
    pub fn selected(&self) -> Option<&Best> {
        self.standing
            .as_ref()
            .filter(|standing| standing.selects)
            .and_then(|standing| standing.best.as_ref())
    }

    /// Whether the run is over: all steps are done, or evaluations ended it early.
    pub fn is_finished(&self) -> bool {
        is_over(self.step, self.total_steps, self.standing.as_ref())
    }
}

/// Whether a run is over: all steps are done, or evaluations ended it early.
pub(super) fn is_over(step: u64, total_steps: u64, standing: Option<&Standing>) -> bool {
    step >= total_steps || standing.is_some_and(|standing| standing.stopped_early)
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
