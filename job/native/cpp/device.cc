#include "device.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <torch/headeronly/version.h>
#ifdef USE_CUDA
#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <torch/csrc/distributed/c10d/NCCLUtils.hpp>
#endif

#include "splade-native/src/bridge.rs.h"
#include "tensors.h"

namespace splade {

rust::Str libtorch_version() { return TORCH_VERSION; }

#ifdef USE_CUDA

rust::String nccl_version() { return c10d::getNcclVersion(); }

rust::Vec<CudaDevice> cuda_devices() {
  rust::Vec<CudaDevice> devices;
  for (c10::DeviceIndex index = 0; index < c10::cuda::device_count(); ++index) {
    const auto* properties = at::cuda::getDeviceProperties(index);
    devices.push_back({properties->name, properties->totalGlobalMem, static_cast<uint32_t>(properties->major),
                       static_cast<uint32_t>(properties->minor)});
  }
  return devices;
}

void set_device(int8_t index) { c10::cuda::set_device(index); }

void synchronize(int8_t index) {
  const c10::cuda::CUDAGuard guard(index);
  c10::cuda::device_synchronize();
}

MemoryStats memory_stats(int8_t index) {
  const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(index);
  const auto all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  const auto bytes = [](int64_t count) { return static_cast<uint64_t>(count); };
  return {bytes(stats.allocated_bytes[all].current), bytes(stats.allocated_bytes[all].peak),
          bytes(stats.reserved_bytes[all].current), bytes(stats.reserved_bytes[all].peak)};
}

#else

namespace {
[[noreturn]] void no_cuda() { TORCH_CHECK(false, "this build has no CUDA"); }
}  // namespace

rust::String nccl_version() { return {}; }
rust::Vec<CudaDevice> cuda_devices() { return {}; }
void set_device(int8_t) { no_cuda(); }
void synchronize(int8_t) { no_cuda(); }
MemoryStats memory_stats(int8_t) { no_cuda(); }

#endif

rust::Vec<size_t> copy_to_host(rust::Slice<const size_t> addresses) {
  const at::NoGradGuard no_grad;
  const auto tensors = tensors_at(addresses);
  std::vector<at::Tensor> copies;
  for (const auto& tensor : tensors) {
    TORCH_CHECK(tensor.device() == tensors[0].device(), "copy_to_host: tensors on ", tensors[0].device(), " and ",
                tensor.device());
    // Into pinned memory the device copies by itself, while the next copy is being queued.
    const auto options = tensor.options().device(at::kCPU).pinned_memory(tensor.is_cuda());
    copies.push_back(at::empty_like(tensor, options).copy_(tensor, /*non_blocking=*/true));
  }
#ifdef USE_CUDA
  if (!tensors.empty() && tensors[0].is_cuda()) at::cuda::getCurrentCUDAStream(tensors[0].get_device()).synchronize();
#endif
  rust::Vec<size_t> results;
  for (auto& copy : copies) results.push_back(hand_over(std::move(copy)));
  return results;
}

}  // namespace splade
