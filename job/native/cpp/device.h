// What the machine's GPUs are and what they hold, and copies from them.
#pragma once
#include <cstddef>
#include <cstdint>

#include "rust/cxx.h"

namespace splade {

// Defined with the bridge, in src/bridge.rs.
struct CudaDevice;
struct MemoryStats;

rust::Str libtorch_version();

// Empty where this build has no CUDA.
rust::String nccl_version();

rust::Vec<CudaDevice> cuda_devices();

// These throw where this build has no CUDA.
void set_device(int8_t index);
void synchronize(int8_t index);
MemoryStats memory_stats(int8_t index);

// Copies of tensors that share a device, in pinned memory if that is a GPU; done when this returns.
rust::Vec<size_t> copy_to_host(rust::Slice<const size_t> tensors);

}  // namespace splade
