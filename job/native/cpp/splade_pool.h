// SPLADE-max pooling over packed rows: what the implementations share.
//
//   hidden [tokens, d], weight [terms, d], bias [terms] f32, offsets [rows + 1] i64 on CPU
//   values [rows, terms] f32 = log1p(relu(max_p hidden[p] . weight[v] + bias[v])), positions [rows, terms] = that p
#pragma once
#include <ATen/core/Tensor.h>

namespace splade {

struct PoolInput {
  at::Tensor hidden, weight, bias, offsets;
  at::Tensor masked_positions, masked_terms;  // undefined where there is no mask
};

struct Pooled {
  at::Tensor values;     // f32 [rows, terms]
  at::Tensor positions;  // i64 [rows, terms] on accelerators, i32 on CPU; any position where values is 0
};

struct PoolGradients {
  at::Tensor hidden, weight;  // f32
};

// Gradient with respect to the pre-activation maximum, zero where a term is inactive.
// d/dx log(1 + x) = 1 / (1 + x) = exp(-value).
at::Tensor preactivation_gradient(const at::Tensor& gradient, const at::Tensor& values);

// f32 on CPU: tiles of logits that stay in cache, gradient through the active pairs alone.
Pooled pool_cpu(const PoolInput& input);
PoolGradients gradients_cpu(const at::Tensor& active, const at::Tensor& positions, const PoolInput& input);

}  // namespace splade
