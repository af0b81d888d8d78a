// Collectives, and the all-gather that autograd can go back through.
#include "process_group.h"

#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/distributed/c10d/comm.hpp>

#include "ranks.h"
#include "tensors.h"

namespace splade {
namespace {

// Tensors of one broadcast travel together up to this many bytes.
constexpr size_t kBroadcastBytes = 25 << 20;

std::string first_line(const std::exception& cause) {
  const auto* error = dynamic_cast<const c10::Error*>(&cause);
  const std::string message = error != nullptr ? error->what_without_backtrace() : cause.what();
  return message.substr(0, message.find('\n'));
}

std::string seconds(std::chrono::milliseconds time) {
  const auto count = time.count();
  return count % 1000 == 0 ? std::to_string(count / 1000) + " s" : std::to_string(count) + " ms";
}

std::vector<int64_t> gathered_shape(const at::Tensor& local, int64_t world_size) {
  TORCH_CHECK(local.dim() > 0, "a scalar has no rows to gather");
  auto shape = local.sizes().vec();
  shape[0] *= world_size;
  return shape;
}

at::Tensor all_gather_into_new(Ranks& ranks, const std::string& what, const at::Tensor& tensor) {
  return ranks.named("all_gather of " + what, [&] {
    auto local = tensor.detach().contiguous();
    ranks.check_fits(local);
    auto all = at::empty(gathered_shape(local, ranks.group->getSize()), local.options());
    ranks.group->_allgather_base(all, local)->wait();
    return all;
  });
}

at::Tensor reduce_scatter_into_new(Ranks& ranks, const std::string& what, const at::Tensor& tensor) {
  return ranks.named("reduce_scatter of " + what, [&] {
    auto all = tensor.detach().contiguous();
    ranks.check_fits(all);
    auto shape = all.sizes().vec();
    shape[0] /= ranks.group->getSize();
    auto local = at::empty(shape, all.options());
    ranks.group->_reduce_scatter_base(local, all)->wait();
    return local;
  });
}

// Each rank's loss depends on every rank's rows, so a row's gradient is the sum over the ranks.
struct GatherRows : torch::autograd::Function<GatherRows> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& rows,
                            const c10::intrusive_ptr<Ranks>& ranks, const std::string& what) {
    context->saved_data["ranks"] = c10::IValue::make_capsule(ranks);
    context->saved_data["what"] = what;
    return all_gather_into_new(*ranks, what, rows);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list output_gradients) {
    const auto ranks = c10::static_intrusive_pointer_cast<Ranks>(context->saved_data["ranks"].toCapsule());
    const auto what = "the gradient of " + context->saved_data["what"].toStringRef();
    return {reduce_scatter_into_new(*ranks, what, output_gradients[0]), {}, {}};
  }
};

}  // namespace

Ranks::~Ranks() {
  try {
    // After a failure peers may be gone: NCCL would wait for them in an orderly shutdown.
    failed_ ? group->abort() : group->shutdown();
  } catch (const std::exception& error) {
    TORCH_WARN("leaving the process group: ", first_line(error));
  }
}

void Ranks::check_fits(const at::Tensor& tensor) const {
  TORCH_CHECK(tensor.device() == device, "the tensor is on ", tensor.device(), ", this group works on ", device);
  TORCH_CHECK(tensor.is_contiguous(), "the tensor is not contiguous");
}

void Ranks::fail(const std::string& operation, std::chrono::nanoseconds after, const std::exception& cause) {
  failed_ = true;
  const std::string outcome = after >= timeout_ ? " did not finish within " + seconds(timeout_) : " failed";
  throw CollectiveError("rank " + std::to_string(group->getRank()) + " of " + std::to_string(group->getSize()) + ": " +
                        operation + outcome + ": " + first_line(cause));
}

ProcessGroup::ProcessGroup(c10::intrusive_ptr<Ranks> ranks) : ranks(std::move(ranks)) {}

ProcessGroup::~ProcessGroup() = default;

void ProcessGroup::all_reduce_sum(rust::Str what, size_t tensor) const {
  const at::NoGradGuard no_grad;
  ranks->named("all_reduce of " + std::string(what), [&] {
    ranks->check_fits(tensor_at(tensor));
    std::vector<at::Tensor> tensors{tensor_at(tensor).detach()};
    ranks->group->allreduce(tensors)->wait();
  });
}

void ProcessGroup::broadcast(rust::Str what, rust::Slice<const size_t> addresses, int32_t root) const {
  const at::NoGradGuard no_grad;
  ranks->named("broadcast of " + std::string(what), [&] {
    std::vector<at::Tensor> tensors;
    for (const auto& tensor : tensors_at(addresses)) {
      ranks->check_fits(tensor);
      tensors.push_back(tensor.detach());
    }
    c10d::broadcast_coalesced(ranks->group, tensors, kBroadcastBytes, root);
  });
}

size_t ProcessGroup::all_gather(rust::Str what, size_t tensor) const {
  const at::NoGradGuard no_grad;
  return hand_over(all_gather_into_new(*ranks, std::string(what), tensor_at(tensor)));
}

size_t ProcessGroup::gather_rows(rust::Str what, size_t tensor) const {
  return hand_over(GatherRows::apply(tensor_at(tensor), ranks, std::string(what)));
}

void ProcessGroup::barrier(rust::Str name) const {
  ranks->named("barrier " + std::string(name), [&] {
    c10d::BarrierOptions options;
    options.device = ranks->device;
    ranks->group->barrier(options)->wait();
  });
}

}  // namespace splade
