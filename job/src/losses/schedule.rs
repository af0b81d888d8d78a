//! How the weight of the FLOPS regulariser grows.

/// Course of the weight over optimizer steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Shape {
    /// Grows with the square of the step, as SPLADE v2 does.
    Quadratic,
    /// Grows with the step.
    Linear,
    /// Full weight from the start.
    Constant,
}

/// `weight(t) = target * (r + (1 - r) * (t / T)^p)` up to step T, `target` from there on.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct FlopsSchedule {
    /// Course of the weight; p is 2 for quadratic, 1 for linear.
    pub shape: Shape,
    /// T, in optimizer steps. 0 means full weight from the start.
    pub warmup_steps: u64,
    /// r, the share of the target at step 0.
    pub initial_ratio: f64,
}

impl FlopsSchedule {
    /// The share of the target that is in force at `step` (0 is the first optimizer step).
    pub fn ratio(&self, step: u64) -> f64 {
        if self.shape == Shape::Constant || step >= self.warmup_steps {
            return 1.0;
        }
        let progress = step as f64 / self.warmup_steps as f64;
        let course = if self.shape == Shape::Quadratic {
            progress * progress
        } else {
            progress
        };
        self.initial_ratio + (1.0 - self.initial_ratio) * course
    }
}
