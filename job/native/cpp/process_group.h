// Ranks that compute together: c10d's process group with one backend.
#pragma once
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include "rust/cxx.h"
#include "store.h"

namespace splade {

// A collective that failed; its message names the rank and the operation.
struct CollectiveError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What the group, its reducers and the nodes that it leaves in autograd's graph share.
class Ranks : public torch::CustomClassHolder {
 public:
  Ranks(c10::intrusive_ptr<c10d::ProcessGroup> group, at::Device device, std::chrono::milliseconds timeout)
      : group(std::move(group)), device(device), timeout_(timeout) {}
  ~Ranks() override;

  // Runs `collective`; an exception comes out as CollectiveError that names this rank and `operation`.
  template <class F>
  auto named(const std::string& operation, F&& collective) {
    const auto start = std::chrono::steady_clock::now();
    try {
      return collective();
    } catch (const CollectiveError&) {
      failed_ = true;
      throw;
    } catch (const std::exception& cause) {
      fail(operation, std::chrono::steady_clock::now() - start, cause);
    }
  }

  // Refuses tensors that the backend would misread or wait for in vain.
  void check_fits(const at::Tensor& tensor) const;

  const c10::intrusive_ptr<c10d::ProcessGroup> group;
  const at::Device device;

 private:
  [[noreturn]] void fail(const std::string& operation, std::chrono::nanoseconds after, const std::exception& cause);

  const std::chrono::milliseconds timeout_;
  bool failed_ = false;
};

class ProcessGroup {
 public:
  explicit ProcessGroup(c10::intrusive_ptr<Ranks> ranks) : ranks(std::move(ranks)) {}

  void all_reduce_sum(rust::Str what, size_t tensor) const;
  void broadcast(rust::Str what, rust::Slice<const size_t> tensors, int32_t root) const;
  size_t all_gather(rust::Str what, size_t tensor) const;
  size_t gather_rows(rust::Str what, size_t tensor) const;
  void barrier(rust::Str name) const;

  const c10::intrusive_ptr<Ranks> ranks;
};

// Binds to `local_address`, or where that is empty to the interfaces of GLOO_SOCKET_IFNAME.
std::unique_ptr<ProcessGroup> join_gloo(const Store& store, int32_t rank, int32_t world_size, int64_t timeout_ms,
                                        rust::Str local_address);

// Throws where this build has no CUDA.
std::unique_ptr<ProcessGroup> join_nccl(const Store& store, int32_t rank, int32_t world_size, int64_t timeout_ms,
                                        int8_t device);

}  // namespace splade
