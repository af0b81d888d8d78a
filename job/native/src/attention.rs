//! Attention over packed rows on a GPU, which tch hides.

use crate::bridge::ffi;
use crate::{NativeError, address, take};
use tch::Tensor;

/// FlashAttention over rows of unequal length that lie one after another, without padding. Differentiable.
///
/// `query`, `key`, `value` and the result are `[tokens, heads, width]` in `f16` or `bf16` on a GPU, with a width that
/// is a multiple of 8; scores are scaled by the root of the width. `offsets` says where each row starts, plus the
/// total: `[rows + 1]`, `i32`, on that GPU. `max_length` is the length of the longest row. With a `window` a token
/// sees only tokens at most that many positions away.
///
/// Offsets that do not run from 0 to the number of tokens, or rows longer than `max_length`, are not noticed: looking
/// would make the host wait for the GPU.
///
/// # Errors
/// Another device or type, shapes that do not fit, a GPU that has no such kernel, or no memory.
pub fn flash_attention_varlen(
    query: &Tensor,
    key: &Tensor,
    value: &Tensor,
    offsets: &Tensor,
    max_length: i64,
    window: Option<i64>,
) -> Result<Tensor, NativeError> {
    // SAFETY: all tensors are borrowed for the whole call; the result is taken over exactly once.
    unsafe {
        let attended = ffi::flash_attention_varlen(
            address(query),
            address(key),
            address(value),
            address(offsets),
            max_length,
            window.unwrap_or(-1),
        )?;
        Ok(take(attended))
    }
}
