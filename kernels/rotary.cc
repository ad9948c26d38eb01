#include "kernels/rotary.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/index_select.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "kernels/backward/autograd.h"
#include "kernels/form.h"
#include "kernels/plain/row_functions.h"

namespace deduce {
namespace {

// The factor by which Llama 3.1 multiplies a frequency.
double Llama3Scale(double frequency, const Llama3RotaryOptions& llama3) {
  const double turns =
      static_cast<double>(llama3.original_max_positions) * frequency / (2 * std::numbers::pi);
  const double unscaled = std::clamp(
      (turns - llama3.low_freq_factor) / (llama3.high_freq_factor - llama3.low_freq_factor), 0.0,
      1.0);
  return unscaled + (1 - unscaled) / llama3.factor;
}

// In double; the table rounds them to fp32 once, as the reference implementations do.
std::vector<double> InverseFrequencies(const RotaryOptions& options) {
  const YarnOptions& yarn = options.yarn;
  const double dim = static_cast<double>(options.dim);
  TORCH_CHECK(options.dim > 0 && options.dim % 2 == 0, "rotary dim: found ", options.dim,
              ", expected a positive even number");
  std::vector<double> frequencies(static_cast<size_t>(options.dim / 2));
  // The (fractional) index whose wave turns `turns` times in the original context.
  const auto correction = [&](double turns) {
    return dim *
           std::log(static_cast<double>(yarn.original_max_positions) /
                    (turns * 2 * std::numbers::pi)) /
           (2 * std::log(options.theta));
  };
  const double low = std::max(std::floor(correction(yarn.beta_fast)), 0.0);
  const double high = std::min(std::ceil(correction(yarn.beta_slow)), dim - 1);
  const double width = high == low ? 0.001 : high - low;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double index = static_cast<double>(i);
    frequencies[i] = std::pow(options.theta, -2 * index / dim);
    if (yarn.factor > 1) {
      const double ramp = std::clamp((index - low) / width, 0.0, 1.0);
      frequencies[i] *= (1 - ramp) + ramp / yarn.factor;
    }
    if (options.llama3.factor > 1) frequencies[i] *= Llama3Scale(frequencies[i], options.llama3);
    if (options.linear_factor != 1) frequencies[i] /= options.linear_factor;
  }
  return frequencies;
}

// Rotates by +angle, or back (direction -1), which is the gradient. Interleaved input comes out in
// halves; the way back therefore takes halves and returns interleaved.
at::Tensor Rotate(const at::Tensor& x_thk, const at::Tensor& positions_t, const at::Tensor& cos_pk,
                  const at::Tensor& sin_pk, RotaryPairing pairing, bool back) {
  at::Tensor out_thk = at::empty_like(x_thk);
  const int64_t heads = x_thk.size(1);
  const int64_t half = x_thk.size(2) / 2;
  const bool interleaved = pairing == RotaryPairing::kInterleaved;
  const int64_t in_step = interleaved && !back ? 2 : 1;
  const int64_t out_step = interleaved && back ? 2 : 1;
  const int64_t in_pair = interleaved && !back ? 1 : half;
  const int64_t out_pair = interleaved && back ? 1 : half;
  const float sign = back ? -1.0f : 1.0f;
  const float* x_data = x_thk.const_data_ptr<float>();
  const int64_t* positions = positions_t.const_data_ptr<int64_t>();
  const float* cos_data = cos_pk.const_data_ptr<float>();
  const float* sin_data = sin_pk.const_data_ptr<float>();
  float* out_data = out_thk.data_ptr<float>();
  at::parallel_for(0, x_thk.size(0), 64, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin * heads; row < end * heads; ++row) {
      const float* cosine = cos_data + positions[row / heads] * half;
      const float* sine = sin_data + positions[row / heads] * half;
      const float* x = x_data + row * 2 * half;
      float* out = out_data + row * 2 * half;
      for (int64_t i = 0; i < half; ++i) {
        const float first = x[i * in_step];
        const float second = x[i * in_step + in_pair];
        const float turn = sign * sine[i];
        out[i * out_step] = first * cosine[i] - second * turn;
        out[i * out_step + out_pair] = second * cosine[i] + first * turn;
      }
    }
  });
  return out_thk;
}

void CheckPositions(const at::Tensor& positions_t, int64_t end) {
  const int64_t* position = positions_t.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < positions_t.size(0); ++i) {
    TORCH_CHECK(position[i] >= 0 && position[i] < end, "ApplyRotary: found position ", position[i],
                ", expected 0 to ", end - 1);
  }
}

class RotaryFunction : public torch::autograd::Function<RotaryFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x_thk,
                            const at::Tensor& positions_t, const at::Tensor& cos_pk,
                            const at::Tensor& sin_pk, int64_t pairing) {
    ctx->save_for_backward({positions_t, cos_pk, sin_pk});
    ctx->saved_data["pairing"] = pairing;
    const BelowAutograd guard;
    return Rotate(x_thk, positions_t, cos_pk, sin_pk, static_cast<RotaryPairing>(pairing), false);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const auto pairing = static_cast<RotaryPairing>(ctx->saved_data["pairing"].toInt());
    const BelowAutograd guard;
    return {Rotate(grads[0].contiguous(), saved[0], saved[1], saved[2], pairing, true),
            at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor RotaryInverseFrequencies(const RotaryOptions& options) {
  const std::vector<double> frequencies = InverseFrequencies(options);
  at::Tensor out_k = at::empty({options.dim / 2}, at::kFloat);
  std::copy(frequencies.begin(), frequencies.end(), out_k.data_ptr<float>());
  return out_k;
}

double YarnMscale(double factor, double mscale) {
  return factor > 1 ? 0.1 * mscale * std::log(factor) + 1 : 1;
}

RotaryTable MakeRotaryTable(const RotaryOptions& options, int64_t max_positions) {
  const at::Tensor frequencies_k = RotaryInverseFrequencies(options);
  const float* frequencies = frequencies_k.const_data_ptr<float>();
  const YarnOptions& yarn = options.yarn;
  const double scale = yarn.attention_factor > 0 ? yarn.attention_factor
                                                 : YarnMscale(yarn.factor, yarn.mscale) /
                                                       YarnMscale(yarn.factor, yarn.mscale_all_dim);
  const int64_t half = options.dim / 2;
  RotaryTable table{at::empty({max_positions, half}, at::kFloat),
                    at::empty({max_positions, half}, at::kFloat)};
  float* cosine = table.cos_pk.data_ptr<float>();
  float* sine = table.sin_pk.data_ptr<float>();
  for (int64_t i = 0; i < max_positions * half; ++i) {
    const int64_t position = i / half;
    const double angle = static_cast<double>(static_cast<float>(position) * frequencies[i % half]);
    cosine[i] = static_cast<float>(std::cos(angle) * scale);
    sine[i] = static_cast<float>(std::sin(angle) * scale);
  }
  return table;
}

RotaryTable RotaryTable::To(const at::Device& device) const {
  return {cos_pk.to(device), sin_pk.to(device)};
}

at::Tensor ApplyRotary(const at::Tensor& x_thk, const at::Tensor& positions_t,
                       const RotaryTable& table, RotaryPairing pairing) {
  TORCH_CHECK(x_thk.dim() == 3 && x_thk.size(2) == 2 * table.cos_pk.size(1) &&
                  (x_thk.scalar_type() == at::kFloat || x_thk.scalar_type() == at::kDouble),
              "ApplyRotary: found x ", x_thk.sizes(), " ", x_thk.scalar_type(),
              ", expected fp32 or fp64 [t, heads, ", 2 * table.cos_pk.size(1), "]");
  TORCH_CHECK(positions_t.dim() == 1 && positions_t.size(0) == x_thk.size(0) &&
                  positions_t.scalar_type() == at::kLong,
              "ApplyRotary: found positions ", positions_t.sizes(), " ", positions_t.scalar_type(),
              ", expected int64 [", x_thk.size(0), "]");
  const at::Tensor positions = positions_t.contiguous();
  if (positions.is_cpu()) CheckPositions(positions, table.cos_pk.size(0));
  if (!HasCpuForm(x_thk)) {
    return plain::Rotate(x_thk, at::index_select(table.cos_pk, 0, positions),
                         at::index_select(table.sin_pk, 0, positions),
                         pairing == RotaryPairing::kInterleaved);
  }
  const at::Tensor x = x_thk.contiguous();
  if (WantsGradient(x)) {
    return RotaryFunction::apply(x, positions, table.cos_pk, table.sin_pk,
                                 static_cast<int64_t>(pairing));
  }
  const BelowAutograd guard;
  return Rotate(x, positions, table.cos_pk, table.sin_pk, pairing, false);
}

}  // namespace deduce
