// SPLADE-max pooling for f32 on CPU.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <limits>

#include "splade_pool.h"

// One binary runs on every x86-64; the loader picks the widest instructions that the machine has.
#define SPLADE_VECTORISED __attribute__((target_clones("avx512f", "avx2,fma", "default")))

namespace splade {
namespace {

// A tile of logits is kGroupTokens x kTileTerms f32 = 2 MiB: it is reduced while it is still in cache.
constexpr int64_t kTileTerms = 1024;
constexpr int64_t kGroupTokens = 512;
// Gradients of this many terms at a time stay in cache (at d = 768: 0.75 MiB).
constexpr int64_t kGradientTerms = 256;

// Running maximum over positions. `!(x <= best)` also lets NaN through, which the caller then sees.
SPLADE_VECTORISED void keep_maximum(const float* logits, int64_t terms, int32_t position, float* best,
                                    int32_t* best_position) {
  for (int64_t v = 0; v < terms; ++v) {
    const bool larger = !(logits[v] <= best[v]);
    best[v] = larger ? logits[v] : best[v];
    best_position[v] = larger ? position : best_position[v];
  }
}

SPLADE_VECTORISED void add_scaled(float factor, const float* from, float* to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] += factor * from[i];
}

// Rows [first, last) whose tokens together fill one tile.
struct Group {
  int64_t first_row, last_row, first_token, last_token;
};

std::vector<Group> group_rows(const int64_t* offsets, int64_t rows) {
  std::vector<Group> groups;
  for (int64_t row = 0; row < rows;) {
    Group group{row, row, offsets[row], offsets[row]};
    do {
      group.last_row += 1;
      group.last_token = offsets[group.last_row];
    } while (group.last_row < rows && offsets[group.last_row + 1] - group.first_token <= kGroupTokens);
    groups.push_back(group);
    row = group.last_row;
  }
  return groups;
}

}  // namespace

Pooled pool_cpu(const PoolInput& input) {
  const int64_t rows = input.offsets.numel() - 1;
  const int64_t terms = input.weight.size(0);
  const int64_t* offsets = input.offsets.const_data_ptr<int64_t>();
  const bool* masked = input.masked_positions.defined() ? input.masked_positions.const_data_ptr<bool>() : nullptr;
  auto values = at::full({rows, terms}, -std::numeric_limits<float>::infinity(), input.hidden.options());
  auto positions = at::empty({rows, terms}, input.hidden.options().dtype(at::kInt));
  float* best = values.data_ptr<float>();
  int32_t* best_position = positions.data_ptr<int32_t>();

  const auto groups = group_rows(offsets, rows);
  int64_t widest = 0;
  for (const auto& group : groups) widest = std::max(widest, group.last_token - group.first_token);
  auto scratch = at::empty({widest * std::min(kTileTerms, terms)}, input.hidden.options());

  for (int64_t term = 0; term < terms; term += kTileTerms) {
    const int64_t width = std::min(kTileTerms, terms - term);
    const auto tile_weight = input.weight.narrow(0, term, width).t();
    for (const auto& group : groups) {
      const int64_t tokens = group.last_token - group.first_token;
      auto logits = scratch.narrow(0, 0, tokens * width).view({tokens, width});
      at::mm_out(logits, input.hidden.narrow(0, group.first_token, tokens), tile_weight);
      const float* tile = logits.const_data_ptr<float>();
      at::parallel_for(group.first_row, group.last_row, 1, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          const int64_t at_row = row * terms + term;
          std::fill_n(best_position + at_row, width, static_cast<int32_t>(offsets[row]));
          for (int64_t token = offsets[row]; token < offsets[row + 1]; ++token) {
            if (masked != nullptr && masked[token]) continue;
            keep_maximum(tile + (token - group.first_token) * width, width, static_cast<int32_t>(token),
                         best + at_row, best_position + at_row);
          }
        }
      });
    }
  }
  return {values, positions};
}

PoolGradients gradients_cpu(const at::Tensor& active, const at::Tensor& positions, const PoolInput& input) {
  const int64_t rows = active.size(0), terms = active.size(1), width = input.hidden.size(1);
  auto hidden_gradient = at::zeros_like(input.hidden, at::MemoryFormat::Contiguous);
  auto weight_gradient = at::zeros_like(input.weight, at::MemoryFormat::Contiguous);
  const float* gradient = active.const_data_ptr<float>();
  const int32_t* position = positions.const_data_ptr<int32_t>();
  const float* hidden = input.hidden.const_data_ptr<float>();
  const float* weight = input.weight.const_data_ptr<float>();
  float* to_hidden = hidden_gradient.data_ptr<float>();
  float* to_weight = weight_gradient.data_ptr<float>();

  // Each thread owns whole rows, hence whole positions: no two write to one place, and the order is fixed.
  at::parallel_for(0, rows, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t term = 0; term < terms; ++term) {
        const float factor = gradient[row * terms + term];
        if (factor == 0.0f) continue;
        add_scaled(factor, weight + term * width, to_hidden + position[row * terms + term] * width, width);
      }
    }
  });
  // Here each thread owns whole terms.
  at::parallel_for(0, terms, kGradientTerms, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; block += kGradientTerms) {
      const int64_t stop = std::min(block + kGradientTerms, end);
      for (int64_t row = 0; row < rows; ++row) {
        for (int64_t term = block; term < stop; ++term) {
          const float factor = gradient[row * terms + term];
          if (factor == 0.0f) continue;
          add_scaled(factor, hidden + position[row * terms + term] * width, to_weight + term * width, width);
        }
      }
    }
  });
  return {hidden_gradient, weight_gradient};
}

}  // namespace splade
