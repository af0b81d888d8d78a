//! Multi-tensor AdamW and gradient norm, which tch hides.

use crate::bridge::ffi;
use crate::{NativeError, address, addresses, take};
use tch::Tensor;

/// Constants of one AdamW step (Loshchilov and Hutter, arXiv 1711.05101), as `torch.optim.AdamW`.
#[derive(Clone, Copy, Debug)]
pub struct AdamW {
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Added to the square root of the bias-corrected second moment.
    pub epsilon: f64,
}

/// Moments and step counts of a group of parameters, in the parameters' order.
#[derive(Debug)]
pub struct AdamWState {
    /// Running mean of the gradient, shaped as the parameters.
    pub first_moments: Vec<Tensor>,
    /// Running mean of the squared gradient, shaped as the parameters.
    pub second_moments: Vec<Tensor>,
    /// Steps taken, one `f32` scalar a parameter (the layout that libtorch's fused kernel wants).
    pub steps: Vec<Tensor>,
}

impl AdamW {
    /// Updates `parameters` and `state` in place from `gradients`, on CPU or GPU, in one fused call.
    ///
    /// # Errors
    /// Lists, shapes, types or devices that do not fit together; nothing is changed then.
    pub fn step(
        &self,
        parameters: &[Tensor],
        gradients: &[Tensor],
        state: &mut AdamWState,
    ) -> Result<(), NativeError> {
        // SAFETY: all tensors are borrowed for the whole call, and C++ checks that every list fits the parameters
        // before the kernel, which writes only to the parameters and the state, runs over them.
        unsafe {
            ffi::fused_adamw(
                &addresses(parameters),
                &addresses(gradients),
                &addresses(&state.first_moments),
                &addresses(&state.second_moments),
                &addresses(&state.steps),
                self.learning_rate,
                self.beta1,
                self.beta2,
                self.weight_decay,
                self.epsilon,
            )?;
        }
        Ok(())
    }
}

/// L2 norm over all elements of all tensors: a scalar on their device (no host synchronisation).
///
/// # Errors
/// An empty list, or tensors on several devices.
pub fn total_norm(tensors: &[Tensor]) -> Result<Tensor, NativeError> {
    // SAFETY: the tensors are borrowed for the whole call; the result is taken over exactly once.
    unsafe { Ok(take(ffi::total_norm(&addresses(tensors))?)) }
}

/// Multiplies every tensor by the scalar tensor `factor`, in place, without host synchronisation.
///
/// # Errors
/// Tensors on several devices.
pub fn scale_all(tensors: &mut [Tensor], factor: &Tensor) -> Result<(), NativeError> {
    // SAFETY: the tensors are borrowed mutably for the whole call.
    unsafe { ffi::scale_all(&addresses(tensors), address(factor))? };
    Ok(())
}
