// Ranks that compute together: c10d's process group with one backend.
#pragma once
#include <c10/util/intrusive_ptr.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "rust/cxx.h"

namespace splade {

class Ranks;
class Store;

class ProcessGroup {
 public:
  explicit ProcessGroup(c10::intrusive_ptr<Ranks> ranks);
  ~ProcessGroup();

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
