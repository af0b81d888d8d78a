// Gradients averaged over ranks while backward still runs: c10d's Reducer, as in PyTorch's DistributedDataParallel.
#pragma once
#include <c10/util/intrusive_ptr.h>

#include <cstddef>
#include <memory>

#include "rust/cxx.h"

namespace splade {

class GradientReducer;
class ProcessGroup;
class Ranks;

class Reducer {
 public:
  Reducer(c10::intrusive_ptr<Ranks> ranks, std::unique_ptr<GradientReducer> reducer);
  ~Reducer();

  // Backward through `loss`; the parameters' gradients, with what they had accumulated, become the mean over the ranks.
  // Returns the indices of parameters that received no gradient; nothing is averaged completely then.
  rust::Vec<size_t> backward(size_t loss);

 private:
  c10::intrusive_ptr<Ranks> ranks_;
  std::unique_ptr<GradientReducer> reducer_;
};

std::unique_ptr<Reducer> new_reducer(const ProcessGroup& group, rust::Slice<const size_t> parameters);

}  // namespace splade
