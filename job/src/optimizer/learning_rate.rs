//! The learning rate over optimizer steps.

use serde::Serialize;

/// Course of the learning rate after warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Decay {
    /// Half a cosine down to zero.
    Cosine,
    /// A straight line down to zero.
    Linear,
    /// No decay.
    Constant,
}

/// Linear warm-up from zero, then decay, as `transformers.get_cosine_schedule_with_warmup` and its kin.
///
/// As there, the very first step has rate 0. Unlike there, the rate stays at its end value beyond the last step.
#[derive(Clone, Copy, Debug)]
pub struct LearningRate {
    /// Rate at the end of the warm-up.
    pub peak: f64,
    /// Steps of the warm-up.
    pub warmup_steps: u64,
    /// Steps of the whole run.
    pub total_steps: u64,
    /// Course after the warm-up.
    pub decay: Decay,
}

impl LearningRate {
    /// The rate of optimizer step `step`, from 0.
    pub fn at(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return self.peak * step as f64 / self.warmup_steps as f64;
        }
        let rest = self.total_steps.saturating_sub(self.warmup_steps).max(1);
        let progress = ((step - self.warmup_steps) as f64 / rest as f64).min(1.0);
        self.peak
            * match self.decay {
                Decay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
                Decay::Linear => 1.0 - progress,
                Decay::Constant => 1.0,
            }
    }
}

#[cfg(test)]
#[path = "learning_rate_tests.rs"]
mod tests;
