// Multi-tensor optimizer steps.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>

#include "tensors.h"

namespace splade {
namespace {

// The fused kernel trusts its lists: it walks each with the sizes of the parameter.
void check_fits(const std::vector<at::Tensor>& parameters, const std::vector<at::Tensor>& others, const char* what) {
  TORCH_CHECK(others.size() == parameters.size(), "AdamW: ", others.size(), " ", what, " for ", parameters.size(),
              " parameters");
  for (size_t i = 0; i < others.size(); ++i) {
    TORCH_CHECK(others[i].sizes() == parameters[i].sizes() && others[i].scalar_type() == parameters[i].scalar_type() &&
                    others[i].device() == parameters[i].device() &&
                    others[i].is_non_overlapping_and_dense() && others[i].strides() == parameters[i].strides(),
                "AdamW: ", what, " ", i, " does not fit its parameter of shape ", parameters[i].sizes());
  }
}

void check_counts(const std::vector<at::Tensor>& parameters, const std::vector<at::Tensor>& counts) {
  TORCH_CHECK(counts.size() == parameters.size(), "AdamW: ", counts.size(), " step counts for ", parameters.size(),
              " parameters");
  for (size_t i = 0; i < counts.size(); ++i) {
    TORCH_CHECK(counts[i].numel() == 1 && counts[i].scalar_type() == at::kFloat &&
                    counts[i].device() == parameters[i].device(),
                "AdamW: step count ", i, " is no f32 scalar on the device of its parameter");
  }
}

}  // namespace


void fused_adamw(rust::Slice<const size_t> parameters, rust::Slice<const size_t> gradients,
                 rust::Slice<const size_t> first_moments, rust::Slice<const size_t> second_moments,
                 rust::Slice<const size_t> steps, double learning_rate, double beta1, double beta2,
                 double weight_decay, double epsilon) {
  const at::NoGradGuard no_grad;
  const auto values = tensors_at(parameters);
  const auto slopes = tensors_at(gradients), first = tensors_at(first_moments), second = tensors_at(second_moments);
  auto counts = tensors_at(steps);
  check_fits(values, values, "parameters");
  check_fits(values, slopes, "gradients");
  check_fits(values, first, "first moments");
  check_fits(values, second, "second moments");
  check_counts(values, counts);
  at::_foreach_add_(counts, 1);
  at::_fused_adamw_(values, slopes, first, second, {}, counts, learning_rate, beta1, beta2, weight_decay, epsilon,
                    /*amsgrad=*/false, /*maximize=*/false);
}

size_t total_norm(rust::Slice<const size_t> tensors) {
  const at::NoGradGuard no_grad;
  return hand_over(at::linalg_vector_norm(at::stack(at::_foreach_norm(tensors_at(tensors), 2)), 2));
}

void scale_all(rust::Slice<const size_t> tensors, size_t factor) {
  const at::NoGradGuard no_grad;
  at::_foreach_mul_(tensors_at(tensors), tensor_at(factor));
}

}  // namespace splade
