#include "kernels/token_log_prob.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <limits>

#include "kernels/autograd.h"
#include "kernels/linear.h"
#include "kernels/masked_vector.h"

namespace deduce {
namespace {

struct RowSummary {
  float log_sum_exp = 0;
  float entropy = 0;
};

// Of the distribution softmax(logits * inverse_temperature), z = logits * inverse_temperature.
RowSummary Summarize(const float* logits, int64_t n, float inverse_temperature) {
  const FloatVector scale(inverse_temperature);
  const float lowest = -std::numeric_limits<float>::infinity();
  FloatVector max_lanes(lowest);
  ForEachVector(n, [&](int64_t i, int64_t count) {
    const FloatVector z =
        FloatVector::set(FloatVector(lowest), LoadMasked(logits + i, count) * scale, count);
    max_lanes = at::vec::maximum(max_lanes, z);
  });
  const float max = MaxLanes(max_lanes);
  FloatVector sum(0.0f), weighted(0.0f);
  ForEachVector(n, [&](int64_t i, int64_t count) {
    const FloatVector shifted = LoadMasked(logits + i, count) * scale - FloatVector(max);
    const FloatVector e = FloatVector::set(FloatVector(0.0f), shifted.exp(), count);
    sum = sum + e;
    // A logit of -inf has no share in the entropy, although 0 * inf is not 0.
    weighted =
        weighted + e * at::vec::maximum(shifted, FloatVector(std::numeric_limits<float>::lowest()));
  });
  const float total = SumLanes(sum);
  const float log_total = std::log(total);
  return {max + log_total, log_total - SumLanes(weighted) / total};
}

float InverseTemperature(double temperature) {
  TORCH_CHECK(temperature > 0, "TokenLogProb temperature: found ", temperature,
              ", expected more than 0");
  return static_cast<float>(1 / temperature);
}

int64_t ChunkRows(int64_t first, int64_t rows) { return std::min(kLogitRows, rows - first); }

struct ForwardResult {
  at::Tensor log_prob_t, entropy_t, log_sum_exp_t;
};

ForwardResult Forward(const at::Tensor& hidden_td, const at::Tensor& head_vd,
                      const at::Tensor& targets_t, float inverse_temperature, ComputeType type) {
  const int64_t rows = hidden_td.size(0);
  const at::Tensor head_operand_vd = AsOperand(head_vd, type);
  const int64_t vocabulary = head_vd.size(0);
  ForwardResult result{at::empty({rows}, at::kFloat), at::empty({rows}, at::kFloat),
                       at::empty({rows}, at::kFloat)};
  const int64_t* target = targets_t.const_data_ptr<int64_t>();
  float* log_prob = result.log_prob_t.data_ptr<float>();
  float* entropy = result.entropy_t.data_ptr<float>();
  float* log_sum_exp = result.log_sum_exp_t.data_ptr<float>();
  for (int64_t first = 0; first < rows; first += kLogitRows) {
    const at::Tensor logits_cv =
        Linear(hidden_td.narrow(0, first, ChunkRows(first, rows)), head_operand_vd, type);
    const float* logits = logits_cv.const_data_ptr<float>();
    at::parallel_for(0, logits_cv.size(0), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t row = first + i;
        const float* row_logits = logits + i * vocabulary;
        const RowSummary summary = Summarize(row_logits, vocabulary, inverse_temperature);
        log_sum_exp[row] = summary.log_sum_exp;
        entropy[row] = summary.entropy;
        log_prob[row] = row_logits[target[row]] * inverse_temperature - summary.log_sum_exp;
      }
    });
  }
  return result;
}

// Logits become the gradient of the loss in the logits: grad * (one_hot(target) - softmax) /
// temperature.
void LogitGradient(float* logits, int64_t n, int64_t target, float log_sum_exp,
                   float inverse_temperature, float grad) {
  const float scaled_grad = grad * inverse_temperature;
  ForEachVector(n, [&](int64_t i, int64_t count) {
    const FloatVector z = LoadMasked(logits + i, count) * FloatVector(inverse_temperature);
    StoreMasked((z - FloatVector(log_sum_exp)).exp() * FloatVector(-scaled_grad), logits + i,
                count);
  });
  logits[target] += scaled_grad;
}

class TokenLogProbFunction : public torch::autograd::Function<TokenLogProbFunction> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* ctx,
                                                const at::Tensor& hidden_td,
                                                const at::Tensor& head_vd,
                                                const at::Tensor& targets_t, double temperature,
                                                int64_t type_number) {
    const BelowAutograd guard;
    const ForwardResult result =
        Forward(hidden_td, head_vd, targets_t, InverseTemperature(temperature),
                ComputeType{static_cast<int>(type_number)});
    ctx->save_for_backward({hidden_td, head_vd, targets_t, result.log_sum_exp_t});
    ctx->mark_non_differentiable({result.entropy_t});
    ctx->saved_data["temperature"] = temperature;
    ctx->saved_data["type"] = type_number;
    return {result.log_prob_t, result.entropy_t};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor& hidden_td = saved[0];
    const at::Tensor& head_vd = saved[1];
    const float inverse_temperature = InverseTemperature(ctx->saved_data["temperature"].toDouble());
    const ComputeType type{static_cast<int>(ctx->saved_data["type"].toInt())};
    const BelowAutograd guard;
    const at::Tensor head_operand_vd = AsOperand(head_vd, type);
    const at::Tensor grad_t = grads[0].contiguous();
    at::Tensor grad_hidden_td, grad_head_vd;
    if (ctx->needs_input_grad(0)) grad_hidden_td = at::empty_like(hidden_td);
    if (ctx->needs_input_grad(1)) grad_head_vd = at::zeros_like(head_vd);
    const int64_t* target = saved[2].const_data_ptr<int64_t>();
    const float* log_sum_exp = saved[3].const_data_ptr<float>();
    const float* grad = grad_t.const_data_ptr<float>();
    const int64_t rows = hidden_td.size(0);
    const int64_t vocabulary = head_vd.size(0);
    for (int64_t first = 0; first < rows; first += kLogitRows) {
      const at::Tensor hidden_cd = hidden_td.narrow(0, first, ChunkRows(first, rows));
      const at::Tensor logits_cv = Linear(hidden_cd, head_operand_vd, type);
      float* logits = logits_cv.data_ptr<float>();
      at::parallel_for(0, logits_cv.size(0), 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          LogitGradient(logits + i * vocabulary, vocabulary, target[first + i],
                        log_sum_exp[first + i], inverse_temperature, grad[first + i]);
        }
      });
      if (grad_hidden_td.defined()) {
        grad_hidden_td.narrow(0, first, hidden_cd.size(0))
            .copy_(Linear(logits_cv, head_operand_vd.t(), type));
      }
      if (grad_head_vd.defined()) {
        MatmulInto(grad_head_vd, AsOperand(logits_cv, type).t(), AsOperand(hidden_cd, type), type,
                   /*accumulate=*/true);
      }
    }
    return {grad_hidden_td, grad_head_vd, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

TokenLogProbs InDouble(const at::Tensor& hidden_td, const at::Tensor& head_vd,
                       const at::Tensor& targets_t, double temperature) {
  const at::Tensor log_prob_tv = at::log_softmax(Linear(hidden_td, head_vd) / temperature, 1);
  return {log_prob_tv.gather(1, targets_t.unsqueeze(1)).squeeze(1),
          -(log_prob_tv.exp() * log_prob_tv).sum(1).detach()};
}

void CheckArguments(const at::Tensor& hidden_td, const at::Tensor& head_vd, ComputeType type) {
  TORCH_CHECK(hidden_td.dim() == 2 && head_vd.dim() == 2 && hidden_td.size(1) == head_vd.size(1) &&
                  (hidden_td.scalar_type() == at::kDouble ||
                   (hidden_td.scalar_type() == at::kFloat && IsWeight(head_vd, type))),
              "TokenLogProb: found hidden ", hidden_td.sizes(), " ", hidden_td.scalar_type(),
              " and head ", head_vd.sizes(), " ", head_vd.scalar_type(),
              ", expected fp32 [t, d] and [vocabulary, d] (or a bf16 head to compute in bf16)");
}

}  // namespace

TokenLogProbs TokenLogProb(const at::Tensor& hidden_td, const at::Tensor& head_vd,
                           const at::Tensor& targets_t, double temperature, ComputeType type) {
  CheckArguments(hidden_td, head_vd, type);
  TORCH_CHECK(targets_t.dim() == 1 && targets_t.size(0) == hidden_td.size(0) &&
                  targets_t.scalar_type() == at::kLong,
              "TokenLogProb: found targets ", targets_t.sizes(), " ", targets_t.scalar_type(),
              ", expected int64 [", hidden_td.size(0), "]");
  const at::Tensor targets = targets_t.contiguous();
  const int64_t* target = targets.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < targets.size(0); ++i) {
    TORCH_CHECK(target[i] >= 0 && target[i] < head_vd.size(0), "TokenLogProb: found target ",
                target[i], ", expected 0 to ", head_vd.size(0) - 1);
  }
  if (hidden_td.scalar_type() == at::kDouble)
    return InDouble(hidden_td, head_vd, targets, temperature);
  if (WantsGradient(hidden_td, head_vd)) {
    const auto outputs = TokenLogProbFunction::apply(hidden_td, head_vd, targets, temperature,
                                                     static_cast<int64_t>(type));
    return {outputs[0], outputs[1]};
  }
  const BelowAutograd guard;
  const ForwardResult result =
      Forward(hidden_td, head_vd, targets, InverseTemperature(temperature), type);
  return {result.log_prob_t, result.entropy_t};
}

at::Tensor LogProbRows(const at::Tensor& hidden_td, const at::Tensor& head_vd, double temperature,
                       ComputeType type) {
  CheckArguments(hidden_td, head_vd, type);
  const float inverse_temperature = InverseTemperature(temperature);
  const BelowAutograd guard;
  const at::NoGradGuard no_grad;
  const at::Tensor log_probs_tv = Linear(hidden_td, head_vd, type);
  float* data = log_probs_tv.data_ptr<float>();
  const int64_t vocabulary = head_vd.size(0);
  at::parallel_for(0, log_probs_tv.size(0), 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      float* logits = data + row * vocabulary;
      const FloatVector log_sum_exp(Summarize(logits, vocabulary, inverse_temperature).log_sum_exp);
      ForEachVector(vocabulary, [&](int64_t i, int64_t count) {
        const FloatVector z = LoadMasked(logits + i, count) * FloatVector(inverse_temperature);
        StoreMasked(z - log_sum_exp, logits + i, count);
      });
    }
  });
  return log_probs_tv;
}

}  // namespace deduce
