#include "reducer.h"

#include <torch/csrc/distributed/c10d/logger.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include "process_group.h"
#include "ranks.h"
#include "tensors.h"

namespace splade {
namespace {

// As PyTorch: a small first bucket, so that communication starts early in backward.
constexpr size_t kFirstBucketBytes = c10d::kDefaultFirstBucketBytes;
constexpr size_t kBucketBytes = c10d::kDefaultBucketBytesCap;

// Buckets fill in the order in which backward is expected to reach the parameters: last used, first ready.
std::vector<std::vector<size_t>> bucket_indices(const std::vector<at::Tensor>& parameters) {
  const std::vector<bool> none_sparse(parameters.size(), false);
  auto [buckets, limits] =
      c10d::compute_bucket_assignment_by_size(parameters, {kFirstBucketBytes, kBucketBytes}, none_sparse);
  return {buckets.rbegin(), buckets.rend()};
}

using Flags = std::vector<uint8_t>;

// Notes that backward reached a parameter.
class NoteReached final : public torch::autograd::FunctionPostHook {
 public:
  NoteReached(std::shared_ptr<Flags> reached, size_t index) : reached_(std::move(reached)), index_(index) {}

  torch::autograd::variable_list operator()(const torch::autograd::variable_list& outputs,
                                            const torch::autograd::variable_list& /*inputs*/) override {
    (*reached_)[index_] = 1;
    return outputs;
  }

 private:
  const std::shared_ptr<Flags> reached_;
  const size_t index_;
};

}  // namespace

class GradientReducer final : public c10d::Reducer {
 public:
  GradientReducer(const std::vector<at::Tensor>& parameters, const c10::intrusive_ptr<c10d::ProcessGroup>& group)
      : c10d::Reducer(parameters, bucket_indices(parameters), group, std::vector<bool>(parameters.size(), false),
                      kBucketBytes, /*find_unused_parameters=*/false, /*gradient_as_bucket_view=*/true,
                      /*param_names=*/{}, kFirstBucketBytes, /*skip_all_reduce_unused_params=*/false,
                      /*use_python_reducer=*/false, /*bucket_bytes_cap_list=*/{}),
        reached_(std::make_shared<Flags>(parameters.size(), 0)) {
    for (size_t i = 0; i < grad_accumulators_.size(); ++i)
      hooks_of_ours_.push_back(grad_accumulators_[i]->add_post_hook(std::make_unique<NoteReached>(reached_, i)));
  }

  ~GradientReducer() {
    for (size_t i = 0; i < hooks_of_ours_.size(); ++i) grad_accumulators_[i]->del_post_hook(hooks_of_ours_[i]);
  }

  void prepare() {
    prepare_for_forward();
    rebuild_buckets();
    std::fill(reached_->begin(), reached_->end(), 0);
    prepare_for_backward({});
  }

  rust::Vec<size_t> unreached() const {
    rust::Vec<size_t> indices;
    for (size_t i = 0; i < reached_->size(); ++i)
      if ((*reached_)[i] == 0) indices.push_back(i);
    return indices;
  }

 private:
  const std::shared_ptr<Flags> reached_;
  std::vector<uintptr_t> hooks_of_ours_;
};

Reducer::Reducer(c10::intrusive_ptr<Ranks> ranks, std::unique_ptr<GradientReducer> reducer)
    : ranks_(std::move(ranks)), reducer_(std::move(reducer)) {}

Reducer::~Reducer() = default;

rust::Vec<size_t> Reducer::backward(size_t loss) {
  ranks_->named("backward with all_reduce of gradients", [&] {
    reducer_->prepare();
    tensor_at(loss).backward();
  });
  return reducer_->unreached();
}

std::unique_ptr<Reducer> new_reducer(const ProcessGroup& group, rust::Slice<const size_t> addresses) {
  const auto parameters = tensors_at(addresses);
  TORCH_CHECK(!parameters.empty(), "there are no parameters to reduce");
  for (size_t i = 0; i < parameters.size(); ++i)
    TORCH_CHECK(parameters[i].requires_grad() && parameters[i].is_leaf() && parameters[i].device() == group.ranks->device,
                "parameter ", i, " cannot be reduced: it must be a leaf that requires a gradient, on ",
                group.ranks->device);
  return std::make_unique<Reducer>(group.ranks, std::make_unique<GradientReducer>(parameters, group.ranks->group));
}

}  // namespace splade
