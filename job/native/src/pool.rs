//! SPLADE-max pooling over packed rows, as one differentiable operation.

use crate::bridge::ffi;
use crate::{NativeError, address, take};
use tch::Tensor;

/// Which implementation computes the pool. All are exact; they differ in speed and in where they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolEngine {
    /// The CPU kernel for `f32` on CPU, [`PoolEngine::Tensor`] elsewhere.
    Automatic,
    /// Tensor operations on any device, gradient through gathered active pairs; while more than 1 in 50
    /// pairs are active, through dense tiles.
    Tensor,
    /// As `Tensor`, always with the gradient through gathered active pairs.
    TensorSparse,
    /// As `Tensor`, always with the gradient through dense tiles.
    TensorDense,
}

/// `w[r, v] = log(1 + relu(max over positions p of row r of (hidden[p] . weight[v] + bias[v])))`,
/// the SPLADE-max representation (SPLADE v2, arXiv 2109.10086, eq. 4 and 6).
///
/// The maximum is taken before the activation, which is the same value since the activation is monotone.
/// The vocabulary is tiled, so logits of all positions never exist at once. Where several positions share
/// the maximum, the first one receives the gradient (as `torch.max(dim)`, unlike `amax`).
#[derive(Debug)]
pub struct SpladePool<'a> {
    /// Output of the head's transform, `[tokens, hidden]`, rows packed one after another.
    pub hidden: &'a Tensor,
    /// Decoder matrix, `[vocabulary, hidden]`, in the type of `hidden`.
    pub weight: &'a Tensor,
    /// Decoder bias, `[vocabulary]`, `f32`.
    pub bias: &'a Tensor,
    /// Where each row starts in `hidden`, plus the total: `[rows + 1]`, `i64`, on CPU, strictly increasing.
    pub offsets: &'a Tensor,
    /// True at positions that are left out of the maximum: `[tokens]`, bool, on the device of `hidden`.
    pub masked_positions: Option<&'a Tensor>,
    /// True at terms that never become active: `[vocabulary]`, bool, on the device of `hidden`.
    pub masked_terms: Option<&'a Tensor>,
}

impl SpladePool<'_> {
    /// Representations `[rows, vocabulary]`, `f32`, differentiable in `hidden`, `weight` and `bias`.
    ///
    /// # Errors
    /// Shapes, types or devices that do not fit, an empty row, or libtorch out of memory.
    pub fn forward(&self, engine: PoolEngine) -> Result<Tensor, NativeError> {
        let optional = |tensor: Option<&Tensor>| tensor.map_or(0, address);
        let engine = match engine {
            PoolEngine::Automatic => 0,
            PoolEngine::Tensor => 1,
            PoolEngine::TensorSparse => 2,
            PoolEngine::TensorDense => 3,
        };
        // SAFETY: all tensors are borrowed for the whole call; the result is taken over exactly once.
        unsafe {
            let pooled = ffi::splade_pool(
                address(self.hidden),
                address(self.weight),
                address(self.bias),
                address(self.offsets),
                optional(self.masked_positions),
                optional(self.masked_terms),
                engine,
            )?;
            Ok(take(pooled))
        }
    }
}
