//! AdamW over all parameters of a model, with gradient clipping and a learning rate schedule.

mod learning_rate;

pub use learning_rate::{Decay, LearningRate};

use crate::model::Parameters;
use splade_native::{AdamW, AdamWState, NativeError, scale_all, total_norm};
use std::collections::HashMap;
use tch::{Kind, Tensor};

/// Added to the gradient norm before it divides, as `torch.nn.utils.clip_grad_norm_`.
const CLIP_EPSILON: f64 = 1e-6;

/// Constants that stay the same over a run.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct AdamWSettings {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the square root of the second moment.
    pub epsilon: f64,
    /// Decoupled decay of matrices. Vectors (norms and biases) never decay.
    pub weight_decay: f64,
}

/// AdamW with its moments.
#[derive(Debug)]
pub struct Optimizer {
    groups: Vec<Group>,
    settings: AdamWSettings,
}

/// Parameters that share a weight decay.
#[derive(Debug)]
struct Group {
    names: Vec<String>,
    parameters: Vec<Tensor>,
    state: AdamWState,
    weight_decay: f64,
}

/// Moments that do not belong to these parameters.
#[derive(Debug, thiserror::Error)]
#[error("the optimizer state {0}")]
pub struct StateMismatch(String);

impl Optimizer {
    /// Moments at zero, for every parameter.
    pub fn new(parameters: &Parameters, settings: AdamWSettings) -> Self {
        let (matrices, vectors): (Vec<_>, Vec<_>) =
            parameters.iter().partition(|(_, tensor)| tensor.dim() >= 2);
        let groups = [(matrices, settings.weight_decay), (vectors, 0.0)]
            .into_iter()
            .filter(|(members, _)| !members.is_empty())
            .map(|(members, weight_decay)| Group::new(&members, weight_decay))
            .collect();
        Self { groups, settings }
    }

    /// Clips the gradients to a total L2 norm of at most `most` and returns the norm before, a scalar on the
    /// device: nothing waits for it here.
    ///
    /// # Errors
    /// libtorch out of memory.
    pub fn clip_gradients(&mut self, most: Option<f64>) -> Result<Tensor, NativeError> {
        let mut gradients: Vec<Tensor> = self.groups.iter().flat_map(Group::gradients).collect();
        let norm = total_norm(&gradients)?;
        if let Some(most) = most {
            let factor = ((&norm + CLIP_EPSILON).reciprocal() * most).clamp_max(1.0);
            scale_all(&mut gradients, &factor)?;
        }
        Ok(norm)
    }

    /// One update with the gradients as they are now, which are then set to zero.
    ///
    /// # Errors
    /// libtorch out of memory.
    pub fn step(&mut self, learning_rate: f64) -> Result<(), NativeError> {
        let AdamWSettings {
            beta1,
            beta2,
            epsilon,
            ..
        } = self.settings;
        for group in &mut self.groups {
            let mut gradients = group.gradients();
            AdamW {
                learning_rate,
                beta1,
                beta2,
                weight_decay: group.weight_decay,
                epsilon,
            }
            .step(&group.parameters, &gradients, &mut group.state)?;
            for gradient in &mut gradients {
                let _ = gradient.zero_();
            }
        }
        Ok(())
    }

    /// The moments by name, for a checkpoint. Step counts follow from the run's step.
    pub fn state(&self) -> impl Iterator<Item = (String, &Tensor)> {
        self.groups.iter().flat_map(|group| {
            let named = |kind: &'static str, moments| {
                group
                    .names
                    .iter()
                    .zip(moments)
                    .map(move |(name, moment)| (format!("{kind}.{name}"), moment))
            };
            let state: &AdamWState = &group.state;
            named("first_moment", &state.first_moments)
                .chain(named("second_moment", &state.second_moments))
        })
    }

    /// All moments, to be overwritten in place. See [`Optimizer::set_steps`] for what else there is.
    pub fn moments(&self) -> Vec<Tensor> {
        self.state()
            .map(|(_, moment)| moment.shallow_clone())
            .collect()
    }

    /// Says how many updates the moments have behind them.
    pub fn set_steps(&mut self, steps: u64) {
        for count in self
            .groups
            .iter_mut()
            .flat_map(|group| &mut group.state.steps)
        {
            let _ = count.fill_(steps as f64);
        }
    }

    /// Puts back the moments that [`Optimizer::state`] gave; [`Optimizer::set_steps`] goes with it.
    ///
    /// # Errors
    /// A moment that is missing, too many, or of another shape.
    pub fn restore(&mut self, mut stored: HashMap<String, Tensor>) -> Result<(), StateMismatch> {
        for group in &mut self.groups {
            let AdamWState {
                first_moments,
                second_moments,
                ..
            } = &mut group.state;
            for (kind, moments) in [
                ("first_moment", first_moments),
                ("second_moment", second_moments),
            ] {
                for (name, moment) in group.names.iter().zip(moments) {
                    let name = format!("{kind}.{name}");
                    let value = stored
                        .remove(&name)
                        .ok_or_else(|| StateMismatch(format!("lacks {name}")))?;
                    if value.size() != moment.size() {
                        return Err(StateMismatch(format!(
                            "has {name} of shape {:?}",
                            value.size()
                        )));
                    }
                    moment.copy_(&value);
                }
            }
        }
        match stored.into_keys().next() {
            Some(name) => Err(StateMismatch(format!(
                "has {name}, which this model has not"
            ))),
            None => Ok(()),
        }
    }
}

impl Group {
    fn new(members: &[(&str, &Tensor)], weight_decay: f64) -> Self {
        let zeros = || {
            members
                .iter()
                .map(|(_, tensor)| tensor.zeros_like().set_requires_grad(false))
                .collect()
        };
        let count =
            |(_, tensor): &(&str, &Tensor)| Tensor::zeros([], (Kind::Float, tensor.device()));
        Self {
            names: members.iter().map(|(name, _)| (*name).to_owned()).collect(),
            parameters: members
                .iter()
                .map(|(_, tensor)| tensor.shallow_clone())
                .collect(),
            state: AdamWState {
                first_moments: zeros(),
                second_moments: zeros(),
                steps: members.iter().map(count).collect(),
            },
            weight_decay,
        }
    }

    /// Gradients in the parameters' order; zeros for a parameter that the loss did not reach.
    fn gradients(&self) -> Vec<Tensor> {
        self.parameters
            .iter()
            .map(|parameter| {
                let gradient = parameter.grad();
                if gradient.defined() {
                    gradient
                } else {
                    parameter.zeros_like().set_requires_grad(false)
                }
            })
            .collect()
    }
}
