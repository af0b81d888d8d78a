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

void fused_adamw(rust::Slice<const size_t> parameters, rust::Slice<const size_t> gradients,
                 rust::Slice<const size_t> first_moments, rust::Slice<const size_t> second_moments,
                 rust::Slice<const size_t> steps, double learning_rate, double beta1, double beta2,
                 double weight_decay, double epsilon) {
  const at::NoGradGuard no_grad;
  auto counts = tensors_at(steps);
  at::_foreach_add_(counts, 1);
  at::_fused_adamw_(tensors_at(parameters), tensors_at(gradients), tensors_at(first_moments),
                    tensors_at(second_moments), {}, counts, learning_rate, beta1, beta2, weight_decay, epsilon,
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
