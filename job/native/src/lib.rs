//! The libtorch bridge: the few operations that tch 0.24 hides or that exist nowhere else.
//!
//! All C++ of the project, and all `unsafe` code but one memory map (splade-data's shards), live in this crate. Its public functions are safe: they take
//! and give `tch::Tensor`, and C++ exceptions come back as [`NativeError`].
#![allow(unsafe_code)]

mod bridge;
mod optimizer;
mod pool;

pub use optimizer::{AdamW, AdamWState, scale_all, total_norm};
pub use pool::{PoolEngine, SpladePool};

/// A libtorch exception, with its message.
#[derive(Debug, thiserror::Error)]
#[error("libtorch: {0}")]
pub struct NativeError(String);

impl From<cxx::Exception> for NativeError {
    fn from(exception: cxx::Exception) -> Self {
        // libtorch appends a C++ backtrace; the first line says what happened.
        Self(
            exception
                .what()
                .lines()
                .next()
                .unwrap_or("unknown exception")
                .to_owned(),
        )
    }
}

/// The address under which C++ finds this tensor. The caller keeps `tensor` alive during the call.
fn address(tensor: &tch::Tensor) -> usize {
    tensor.as_ptr() as usize
}

/// Addresses of a list of tensors, in order.
fn addresses(tensors: &[tch::Tensor]) -> Vec<usize> {
    tensors.iter().map(address).collect()
}

/// Takes over a tensor that C++ allocated for us.
///
/// # Safety
/// `address` came from one call of the bridge, and is taken over only once.
unsafe fn take(address: usize) -> tch::Tensor {
    // SAFETY: the bridge returns `new at::Tensor`, which is what tch's own C wrapper hands out and frees.
    unsafe { tch::Tensor::from_ptr(address as *mut _) }
}
