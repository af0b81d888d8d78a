// Attention over packed rows of unequal length, without padding.
#include <ATen/ops/_flash_attention_forward.h>

#include "bridge.h"
#include "tensors.h"

namespace splade {

size_t flash_attention_varlen(size_t query, size_t key, size_t value, size_t offsets, int64_t max_length,
                              int64_t window) {
  const auto &q = tensor_at(query), &k = tensor_at(key), &v = tensor_at(value), &rows = tensor_at(offsets);
  TORCH_CHECK(q.is_cuda() && (q.scalar_type() == at::kHalf || q.scalar_type() == at::kBFloat16),
              "flash attention needs f16 or bf16 on a GPU; the query is ", q.scalar_type(), " on ", q.device());
  TORCH_CHECK(q.dim() == 3 && k.sizes() == q.sizes() && v.sizes() == q.sizes(),
              "flash attention: query ", q.sizes(), ", key ", k.sizes(), " and value ", v.sizes(),
              " must be of one shape [tokens, heads, width]");
  TORCH_CHECK(rows.dim() == 1 && rows.numel() >= 2 && rows.scalar_type() == at::kInt && rows.device() == q.device(),
              "flash attention: offsets must be an i32 vector of at least two elements on ", q.device());
  // A negative window is unlimited. The operation has a derivative of its own, windows included.
  const auto reach = window < 0 ? std::nullopt : std::optional<int64_t>(window);
  auto results = at::_flash_attention_forward(q, k, v, rows, rows, max_length, max_length, /*dropout_p=*/0.0,
                                              /*is_causal=*/false, /*return_debug_mask=*/false, /*scale=*/std::nullopt,
                                              reach, reach);
  return hand_over(std::move(std::get<0>(results)));
}

}  // namespace splade
