// What Rust calls. Tensors cross as addresses of at::Tensor that the caller keeps alive; results are `new at::Tensor`.
#pragma once
#include <cstddef>
#include <cstdint>

#include "rust/cxx.h"

namespace splade {

size_t splade_pool(size_t hidden, size_t weight, size_t bias, size_t offsets, size_t masked_positions,
                   size_t masked_terms, uint8_t engine);

void fused_adamw(rust::Slice<const size_t> parameters, rust::Slice<const size_t> gradients,
                 rust::Slice<const size_t> first_moments, rust::Slice<const size_t> second_moments,
                 rust::Slice<const size_t> steps, double learning_rate, double beta1, double beta2,
                 double weight_decay, double epsilon);

size_t total_norm(rust::Slice<const size_t> tensors);

void scale_all(rust::Slice<const size_t> tensors, size_t factor);

size_t flash_attention_varlen(size_t query, size_t key, size_t value, size_t offsets, int64_t max_length,
                              int64_t window);

}  // namespace splade
