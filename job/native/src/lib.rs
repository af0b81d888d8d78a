//! The libtorch bridge: the few operations that tch 0.24 hides or that exist nowhere else.
//!
//! All C++ of the project, and all `unsafe` code but one memory map (splade-data's shards), live in this crate. Its public functions are safe: they take
//! and give `tch::Tensor`, and C++ exceptions come back as [`NativeError`].
#![allow(unsafe_code)]

mod attention;
mod bridge;
mod device;
mod optimizer;
mod pool;
mod process_group;
mod reducer;
mod store;

pub use attention::flash_attention_varlen;
pub use device::{
    CudaDevice, MemoryStats, cuda_devices, libtorch_version, memory_stats, nccl_version,
    set_device, snapshot_to_host, synchronize,
};
pub use optimizer::{AdamW, AdamWState, scale_all, total_norm};
pub use pool::{PoolEngine, SpladePool};
pub use process_group::{Backend, ProcessGroup, Rendezvous};
pub use reducer::Reducer;

/// What went wrong below the bridge.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// A libtorch exception, with its message.
    #[error("libtorch: {0}")]
    Libtorch(String),
    /// An operation over several ranks; the message begins with the rank and names the operation.
    #[error("{0}")]
    Distributed(String),
}

impl From<cxx::Exception> for NativeError {
    fn from(exception: cxx::Exception) -> Self {
        Self::Libtorch(first_line(&exception).to_owned())
    }
}

/// libtorch appends a C++ backtrace to its messages; the first line says what happened.
fn first_line(exception: &cxx::Exception) -> &str {
    exception
        .what()
        .lines()
        .next()
        .unwrap_or("unknown exception")
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
