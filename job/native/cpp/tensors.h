// From the addresses that cross the bridge to at::Tensor and back.
#pragma once
#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "bridge.h"

namespace splade {

// Safety: `address` is that of a live at::Tensor; Rust borrows it for the whole call.
inline at::Tensor& tensor_at(size_t address) { return *reinterpret_cast<at::Tensor*>(address); }

// Address 0 stands for "none".
inline std::optional<at::Tensor> optional_tensor_at(size_t address) {
  return address == 0 ? std::nullopt : std::optional<at::Tensor>(tensor_at(address));
}

// Safety: Rust takes the result over exactly once (tch frees it with `delete`).
inline size_t hand_over(at::Tensor tensor) { return reinterpret_cast<size_t>(new at::Tensor(std::move(tensor))); }

inline std::vector<at::Tensor> tensors_at(rust::Slice<const size_t> addresses) {
  std::vector<at::Tensor> tensors;
  tensors.reserve(addresses.size());
  for (const size_t address : addresses) tensors.push_back(tensor_at(address));
  return tensors;
}

}  // namespace splade
