//! Where a phase computes.

use tch::Device;

/// The GPU where the resource asks for one and there is one. A CPU in its place is slow enough to say so.
pub(super) fn device(wants_gpu: bool, name: &str) -> Device {
    if !wants_gpu {
        return Device::Cpu;
    }
    let device = Device::cuda_if_available();
    if device == Device::Cpu {
        tracing::warn!("{name}: the manifest asks for a GPU and none is here: it runs on the CPU");
    }
    device
}
