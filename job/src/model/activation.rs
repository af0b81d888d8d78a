//! Activations by name.

use super::Activation;
use tch::Tensor;

impl Activation {
    /// Applies the activation elementwise.
    pub(super) fn apply(self, input: &Tensor) -> Tensor {
        match self {
            Self::Gelu => input.gelu("none"),
            Self::GeluNew => input.gelu("tanh"),
            Self::Relu => input.relu(),
            Self::Silu => input.silu(),
        }
    }
}
