// SPLADE-max pooling: the differentiable operation, and the implementation by tensor operations for any device.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <limits>

#include "splade_pool.h"
#include "tensors.h"

namespace splade {
namespace {

enum class Engine : uint8_t { Automatic, Tensor, TensorSparse, TensorDense };

constexpr int64_t kTileTerms = 4096;
// Active pairs gathered at a time: at d = 768 in f32, 96 MiB for each of the two operands.
constexpr int64_t kGatheredPairs = 1 << 15;
// Below one active pair in this many, gathering pairs is cheaper than dense tiles.
constexpr int64_t kDensePairs = 50;

bool runs_on_cpu_kernel(Engine engine, const PoolInput& input) {
  return engine == Engine::Automatic && input.hidden.is_cpu() && input.hidden.scalar_type() == at::kFloat;
}

void check(const PoolInput& in) {
  TORCH_CHECK(in.hidden.dim() == 2 && in.weight.dim() == 2 && in.hidden.size(1) == in.weight.size(1),
              "splade_pool: hidden ", in.hidden.sizes(), " does not fit weight ", in.weight.sizes());
  TORCH_CHECK(in.hidden.scalar_type() == in.weight.scalar_type(), "splade_pool: hidden is ",
              in.hidden.scalar_type(), ", weight is ", in.weight.scalar_type());
  TORCH_CHECK(in.bias.dim() == 1 && in.bias.size(0) == in.weight.size(0) && in.bias.scalar_type() == at::kFloat,
              "splade_pool: bias must be f32 of length ", in.weight.size(0));
  TORCH_CHECK(in.offsets.is_cpu() && in.offsets.scalar_type() == at::kLong && in.offsets.dim() == 1 &&
                  in.offsets.numel() >= 2 && in.offsets.is_contiguous(),
              "splade_pool: offsets must be a contiguous i64 vector on CPU of at least two elements");
  const int64_t* offsets = in.offsets.const_data_ptr<int64_t>();
  TORCH_CHECK(offsets[0] == 0 && offsets[in.offsets.numel() - 1] == in.hidden.size(0),
              "splade_pool: offsets must run from 0 to ", in.hidden.size(0));
  for (int64_t row = 1; row < in.offsets.numel(); ++row)
    TORCH_CHECK(offsets[row] > offsets[row - 1], "splade_pool: row ", row - 1, " is empty");
  for (const auto* mask : {&in.masked_positions, &in.masked_terms}) {
    if (!mask->defined()) continue;
    const int64_t length = mask == &in.masked_positions ? in.hidden.size(0) : in.weight.size(0);
    TORCH_CHECK(mask->scalar_type() == at::kBool && mask->dim() == 1 && mask->size(0) == length &&
                    mask->device() == in.hidden.device() && mask->is_contiguous(),
                "splade_pool: a mask must be a contiguous bool vector of length ", length);
  }
}

// Maximum and its first position over the tokens of each row, one tile of the vocabulary at a time.
Pooled pool_by_tensors(const PoolInput& in) {
  const auto device = in.hidden.device();
  const int64_t rows = in.offsets.numel() - 1, terms = in.weight.size(0), tokens = in.hidden.size(0);
  const auto lengths = in.offsets.diff().to(device);
  const auto row_of_token = at::repeat_interleave(lengths, std::optional<int64_t>(tokens));
  const auto as_float = in.hidden.options().dtype(at::kFloat);
  const auto token = at::arange(tokens, as_float.dtype(at::kDouble)).unsqueeze(1);
  const double infinity = std::numeric_limits<double>::infinity();
  auto values = at::empty({rows, terms}, as_float);
  auto positions = at::empty({rows, terms}, as_float.dtype(at::kLong));
  for (int64_t term = 0; term < terms; term += kTileTerms) {
    const int64_t width = std::min(kTileTerms, terms - term);
    auto logits = at::mm(in.hidden, in.weight.narrow(0, term, width).t()).to(at::kFloat);
    if (in.masked_positions.defined()) logits.masked_fill_(in.masked_positions.unsqueeze(1), -infinity);
    const auto best = at::segment_reduce(logits, "max", lengths, {}, {}, 0, /*unsafe=*/true, -infinity);
    const auto is_best = logits == best.index_select(0, row_of_token);
    const auto candidates = at::where(is_best, token, infinity);
    const auto first = at::segment_reduce(candidates, "min", lengths, {}, {}, 0, /*unsafe=*/true, infinity);
    values.narrow(1, term, width).copy_(best);
    positions.narrow(1, term, width).copy_(first.clamp(0, static_cast<double>(tokens - 1)).to(at::kLong));
  }
  return {values, positions};
}

// Touches the active pairs alone: rows of `weight` and of `hidden` are gathered and added where they belong.
PoolGradients gradients_by_pairs(const at::Tensor& active, const at::Tensor& active_pairs, const at::Tensor& positions,
                                 const PoolInput& in) {
  const auto as_float = in.hidden.options().dtype(at::kFloat);
  PoolGradients to{at::zeros(in.hidden.sizes(), as_float), at::zeros(in.weight.sizes(), as_float)};
  for (const auto& pairs : active_pairs.split(kGatheredPairs)) {
    const auto row = pairs.select(1, 0), term = pairs.select(1, 1);
    const auto factor = active.index({row, term}).unsqueeze(1);
    const auto position = positions.index({row, term});
    to.hidden.index_add_(0, position, factor * in.weight.index_select(0, term));
    to.weight.index_add_(0, term, factor * in.hidden.index_select(0, position));
  }
  return to;
}

// While most terms are active, scatters the gradient into dense tiles and multiplies.
PoolGradients gradients_by_tiles(const at::Tensor& active, const at::Tensor& positions, const PoolInput& in) {
  const auto as_float = in.hidden.options().dtype(at::kFloat);
  const int64_t tokens = in.hidden.size(0), terms = in.weight.size(0);
  PoolGradients to{at::zeros(in.hidden.sizes(), as_float), at::empty(in.weight.sizes(), as_float)};
  for (int64_t term = 0; term < terms; term += kTileTerms) {
    const int64_t width = std::min(kTileTerms, terms - term);
    auto tile = at::zeros({tokens, width}, in.hidden.options());
    tile.scatter_(0, positions.narrow(1, term, width), active.narrow(1, term, width).to(tile.scalar_type()));
    to.hidden.add_(at::mm(tile, in.weight.narrow(0, term, width)));
    to.weight.narrow(0, term, width).copy_(at::mm(tile.t(), in.hidden));
  }
  return to;
}

PoolGradients gradients(Engine engine, const at::Tensor& active, const at::Tensor& positions, const PoolInput& in) {
  if (runs_on_cpu_kernel(engine, in)) return gradients_cpu(active, positions, in);
  if (engine == Engine::TensorDense) return gradients_by_tiles(active, positions, in);
  // The one place where the host waits for the device: how many pairs there are decides what is done next.
  const auto pairs = active.nonzero();
  const bool few = pairs.size(0) * kDensePairs < active.numel();
  return few || engine == Engine::TensorSparse ? gradients_by_pairs(active, pairs, positions, in)
                                               : gradients_by_tiles(active, positions, in);
}

struct SpladePool : torch::autograd::Function<SpladePool> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& hidden,
                            const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& offsets,
                            const std::optional<at::Tensor>& masked_positions,
                            const std::optional<at::Tensor>& masked_terms, int64_t engine) {
    const PoolInput in{hidden.contiguous(), weight.contiguous(), bias, offsets, masked_positions.value_or(at::Tensor()),
                       masked_terms.value_or(at::Tensor())};
    check(in);
    auto [values, positions] =
        runs_on_cpu_kernel(static_cast<Engine>(engine), in) ? pool_cpu(in) : pool_by_tensors(in);
    // The bias is the same at every position: it can wait until after the maximum.
    values.add_(bias);
    if (in.masked_terms.defined()) values.masked_fill_(in.masked_terms, -std::numeric_limits<double>::infinity());
    values.relu_().log1p_();
    // A NaN in one position can lose against the next position; one sum tells, and the caller must see it.
    values.add_(in.hidden.sum().to(at::kFloat).mul(0));
    context->save_for_backward({in.hidden, in.weight, bias, offsets, values, positions});
    context->saved_data["engine"] = engine;
    return values;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list output_gradients) {
    const auto saved = context->get_saved_variables();
    const PoolInput in{saved[0], saved[1], saved[2], saved[3], {}, {}};
    const auto active = preactivation_gradient(output_gradients[0], saved[4]);
    const auto engine = static_cast<Engine>(context->saved_data["engine"].toInt());
    const auto to = gradients(engine, active, saved[5], in);
    return {to.hidden.to(in.hidden.scalar_type()), to.weight.to(in.weight.scalar_type()), active.sum(0), {}, {}, {}, {}};
  }
};

}  // namespace

at::Tensor preactivation_gradient(const at::Tensor& gradient, const at::Tensor& values) {
  return at::where(values > 0, gradient * values.neg().exp(), 0.0).contiguous();
}

size_t splade_pool(size_t hidden, size_t weight, size_t bias, size_t offsets, size_t masked_positions,
                   size_t masked_terms, uint8_t engine) {
  return hand_over(SpladePool::apply(tensor_at(hidden), tensor_at(weight), tensor_at(bias), tensor_at(offsets),
                                     optional_tensor_at(masked_positions), optional_tensor_at(masked_terms),
                                     static_cast<int64_t>(engine)));
}

}  // namespace splade
