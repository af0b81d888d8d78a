//! Where a phase computes.

use tch::{Cuda, Device};

/// The GPU of this rank of its node where the resource asks for one and there is one. A CPU in its place is slow
/// enough to say so.
pub(super) fn device(wants_gpu: bool, local_rank: usize, name: &str) -> Device {
    if !wants_gpu {
        return Device::Cpu;
    }
    if local_rank < Cuda::device_count() as usize {
        return Device::Cuda(local_rank);
    }
    tracing::warn!(
        "{name}: no GPU is here, and deviceResource asks for one, as it does by default: it runs on the CPU. \
         deviceResource: none says that this is meant"
    );
    Device::Cpu
}
