// Joining over Gloo (CPU) or NCCL (CUDA).
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#ifdef USE_CUDA
#include <c10/cuda/CUDAFunctions.h>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

#include "process_group.h"
#include "ranks.h"
#include "store.h"

namespace splade {
namespace {

using BackendType = c10d::ProcessGroup::BackendType;

std::unique_ptr<ProcessGroup> group_of(const Store& store, int32_t rank, int32_t world_size, at::Device device,
                                       BackendType type, const c10::intrusive_ptr<c10d::Backend>& backend,
                                       std::chrono::milliseconds timeout) {
  auto group = c10::make_intrusive<c10d::ProcessGroup>(store.connection, rank, world_size);
  group->setBackend(device.type(), type, backend);
  group->setDefaultBackend(type);
  return std::make_unique<ProcessGroup>(c10::make_intrusive<Ranks>(group, device, timeout));
}

}  // namespace

std::unique_ptr<ProcessGroup> join_gloo(const Store& store, int32_t rank, int32_t world_size, int64_t timeout_ms,
                                        rust::Str local_address) {
  using Gloo = c10d::ProcessGroupGloo;
  const std::chrono::milliseconds timeout(timeout_ms);
  auto options = local_address.empty() ? Gloo::Options::create_default(timeout) : Gloo::Options::create(timeout);
  if (!local_address.empty()) options->devices.push_back(Gloo::createDeviceForHostname(std::string(local_address)));
  auto prefixed = c10::make_intrusive<c10d::PrefixStore>("gloo", store.connection);
  return group_of(store, rank, world_size, at::kCPU, BackendType::GLOO,
                  c10::make_intrusive<Gloo>(prefixed, rank, world_size, options), timeout);
}

std::unique_ptr<ProcessGroup> join_nccl([[maybe_unused]] const Store& store, [[maybe_unused]] int32_t rank,
                                        [[maybe_unused]] int32_t world_size, [[maybe_unused]] int64_t timeout_ms,
                                        [[maybe_unused]] int8_t device) {
#ifdef USE_CUDA
  using Nccl = c10d::ProcessGroupNCCL;
  const at::Device gpu(at::kCUDA, device);
  const std::chrono::milliseconds timeout(timeout_ms);
  // What names no device shall not open a context on GPU 0 of every rank's behalf.
  c10::cuda::set_device(gpu.index());
  auto options = Nccl::Options::create();
  options->timeout = timeout;
  auto prefixed = c10::make_intrusive<c10d::PrefixStore>("nccl", store.connection);
  auto nccl = c10::make_intrusive<Nccl>(prefixed, rank, world_size, options);
  nccl->setBoundDeviceId(gpu);
  auto group = group_of(store, rank, world_size, gpu, BackendType::NCCL, nccl, timeout);
  group->ranks->group->setBoundDeviceId(gpu);
  // Communicators are made at the first collective otherwise: a rank that cannot reach the others says so here.
  nccl->eagerConnectSingleDevice(gpu);
  return group;
#else
  TORCH_CHECK(false, "this build has no CUDA, so it has no NCCL");
#endif
}

}  // namespace splade
