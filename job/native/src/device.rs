//! What this build and this machine have, what a GPU holds, and copies from it.

use crate::bridge::ffi;
use crate::{NativeError, addresses, take};
use tch::{Device, Tensor};

/// A GPU of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CudaDevice {
    /// Product name.
    pub name: String,
    /// Size of its memory, in bytes.
    pub memory: u64,
    /// Compute capability: major and minor number.
    pub capability: (u32, u32),
}

/// What libtorch's allocator holds on a GPU, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryStats {
    /// In tensors, now.
    pub allocated: u64,
    /// In tensors, at most so far.
    pub peak_allocated: u64,
    /// Taken from the GPU, now: tensors, and what is kept for later ones.
    pub reserved: u64,
    /// Taken from the GPU, at most so far.
    pub peak_reserved: u64,
}

/// Version of the libtorch that this was built with.
pub fn libtorch_version() -> &'static str {
    ffi::libtorch_version()
}

/// Version of NCCL. None where this build has no CUDA.
///
/// # Errors
/// NCCL cannot be asked.
pub fn nccl_version() -> Result<Option<String>, NativeError> {
    let version = ffi::nccl_version()?;
    Ok((!version.is_empty()).then_some(version))
}

/// The GPUs of this machine that this build can use; none where it has no CUDA.
///
/// # Errors
/// The driver does not answer.
pub fn cuda_devices() -> Result<Vec<CudaDevice>, NativeError> {
    let devices = ffi::cuda_devices()?.into_iter();
    Ok(devices
        .map(|device| CudaDevice {
            name: device.name,
            memory: device.memory,
            capability: (device.major, device.minor),
        })
        .collect())
}

/// Makes GPU `index` the one that this thread works on where nothing else is said.
///
/// # Errors
/// No such GPU, or no CUDA in this build.
pub fn set_device(index: usize) -> Result<(), NativeError> {
    Ok(ffi::set_device(number(index)?)?)
}

/// Waits until the device has done what was queued on it. A CPU always has.
///
/// # Errors
/// No such GPU, no CUDA in this build, or queued work that failed.
pub fn synchronize(device: Device) -> Result<(), NativeError> {
    match device {
        Device::Cuda(index) => Ok(ffi::synchronize(number(index)?)?),
        _ => Ok(()),
    }
}

/// What libtorch holds on a GPU. None for a CPU, where the process's memory says it.
///
/// # Errors
/// No such GPU, or no CUDA in this build.
pub fn memory_stats(device: Device) -> Result<Option<MemoryStats>, NativeError> {
    let Device::Cuda(index) = device else {
        return Ok(None);
    };
    let ffi::MemoryStats {
        allocated,
        peak_allocated,
        reserved,
        peak_reserved,
    } = ffi::memory_stats(number(index)?)?;
    Ok(Some(MemoryStats {
        allocated,
        peak_allocated,
        reserved,
        peak_reserved,
    }))
}

/// Copies of tensors that share a device, in memory of the host, without gradients. From a GPU all copies run at its
/// full speed into pinned memory, and the host waits once, at the end.
///
/// # Errors
/// Tensors on several devices, or no memory.
pub fn snapshot_to_host(tensors: &[Tensor]) -> Result<Vec<Tensor>, NativeError> {
    // SAFETY: the tensors are borrowed for the whole call; each result is taken over exactly once.
    unsafe {
        let copies = ffi::copy_to_host(&addresses(tensors))?;
        Ok(copies.into_iter().map(|copy| take(copy)).collect())
    }
}

fn number(index: usize) -> Result<i8, NativeError> {
    i8::try_from(index).map_err(|_| NativeError::Libtorch(format!("there is no GPU {index}")))
}
