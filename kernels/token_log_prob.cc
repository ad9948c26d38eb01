#include "kernels/token_log_prob.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <limits>

#include "kernels/backward/autograd.h"
#include "kernels/backward/weight_gradient.h"
#include "kernels/cpu/masked_vector.h"
#include "kernels/form.h"
#include "kernels/linear.h"
#include "kernels/plain/log_probs.h"

namespace deduce {
namespace {

struct RowSummary {
  float log_sum_exp = 0;
  float entropy = 0;
};

// Takes the distribution softmax(logits * inverse_temperature), z = logits * inverse_temperature.
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

double InverseTemperature(double temperature) {
  TORCH_CHECK(temperature > 0, "TokenLogProb temperature: found ", temperature,
              ", expected more than 0");
  return 1 / temperature;
}

int64_t ChunkRows(int64_t first, int64_t rows) { return std::min(kLogitRows, rows - first); }

// Logits of kLogitRows rows at a time, all in the same memory: fresh pages for each chunk would
// cost as much as a good part of its product.
class LogitChunks {
 public:
  LogitChunks(const at::Tensor& hidden_td, const at::Tensor& head_vd, ComputeType type)
      : hidden_td_(hidden_td), head_operand_vd_(AsOperand(head_vd, type)), type_(type) {
    const int64_t most = PaddedRows(ChunkRows(0, hidden_td.size(0)));
    logits_xv_ = at::empty({most, head_vd.size(0)}, hidden_td.options());
    operand_xv_ = type == ComputeType::kFloat32
                      ? logits_xv_
                      : at::empty(logits_xv_.sizes(), hidden_td.options().dtype(at::kBFloat16));
  }

  // Computes the chunk from row `first` on; the others are of it.
  void Compute(int64_t first) {
    rows_ = ChunkRows(first, hidden_td_.size(0));
    hidden_xd_ = PadRows(AsOperand(hidden_td_.narrow(0, first, rows_), type_));
    MatmulInto(logits_xv_.narrow(0, 0, hidden_xd_.size(0)), hidden_xd_, head_operand_vd_.t(),
               type_);
  }
  int64_t rows() const { return rows_; }
  at::Tensor logits() const { return logits_xv_.narrow(0, 0, rows_); }
  float* row(int64_t i) { return logits_xv_.mutable_data_ptr<float>() + i * logits_xv_.size(1); }

  // Where the logits have become gradients: gradient of the hidden states, as many rows as PadRows
  // makes of the chunk's, and of the head, which is added.
  void GradientsOfProduct(const at::Tensor& grad_hidden_xd, const at::Tensor& grad_head_vd) {
    at::Tensor operand_xv = operand_xv_.narrow(0, 0, hidden_xd_.size(0));
    if (type_ != ComputeType::kFloat32)
      operand_xv.copy_(logits_xv_.narrow(0, 0, operand_xv.size(0)));
    if (grad_hidden_xd.defined()) MatmulInto(grad_hidden_xd, operand_xv, head_operand_vd_, type_);
    if (grad_head_vd.defined()) {
      MatmulInto(grad_head_vd, operand_xv.narrow(0, 0, rows_).t(), hidden_xd_.narrow(0, 0, rows_),
                 type_, /*accumulate=*/true);
    }
  }

 private:
  at::Tensor hidden_td_, head_operand_vd_;
  ComputeType type_;
  at::Tensor logits_xv_, operand_xv_;  // the last rows are those of padding: zeros
  at::Tensor hidden_xd_;               // of the chunk, the operand
  int64_t rows_ = 0;
};

// The chunk's rows of the results, in fp32 on the CPU. target: of the chunk's first row.
void SummarizeChunk(LogitChunks& chunks, int64_t vocabulary, const int64_t* target,
                    float inverse_temperature, const plain::RowSummaries& out) {
  float* log_prob = out.log_prob_t.mutable_data_ptr<float>();
  float* entropy = out.entropy_t.mutable_data_ptr<float>();
  float* log_sum_exp = out.log_sum_exp_t.mutable_data_ptr<float>();
  at::parallel_for(0, chunks.rows(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const RowSummary summary = Summarize(chunks.row(i), vocabulary, inverse_temperature);
      log_sum_exp[i] = summary.log_sum_exp;
      entropy[i] = summary.entropy;
      log_prob[i] = chunks.row(i)[target[i]] * inverse_temperature - summary.log_sum_exp;
    }
  });
}

plain::RowSummaries Forward(const at::Tensor& hidden_td, const at::Tensor& head_vd,
                            const at::Tensor& targets_t, double inverse_temperature,
                            ComputeType type) {
  const int64_t rows = hidden_td.size(0);
  const auto numbers = [&] { return at::empty({rows}, hidden_td.options()); };
  const plain::RowSummaries all{numbers(), numbers(), numbers()};
  LogitChunks chunks(hidden_td, head_vd, type);
  for (int64_t first = 0; first < rows; first += kLogitRows) {
    chunks.Compute(first);
    const auto here = [&](const at::Tensor& x_t) { return x_t.narrow(0, first, chunks.rows()); };
    const plain::RowSummaries out{here(all.log_prob_t), here(all.entropy_t),
                                  here(all.log_sum_exp_t)};
    if (HasCpuForm(hidden_td)) {
      SummarizeChunk(chunks, head_vd.size(0), targets_t.const_data_ptr<int64_t>() + first,
                     static_cast<float>(inverse_temperature), out);
      continue;
    }
    const plain::RowSummaries found =
        plain::SummarizeLogits(chunks.logits(), here(targets_t), inverse_temperature);
    out.log_prob_t.copy_(found.log_prob_t);
    out.entropy_t.copy_(found.entropy_t);
    out.log_sum_exp_t.copy_(found.log_sum_exp_t);
  }
  return all;
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

// LogitGradient of every row of the chunk, in fp32 on the CPU. All from the chunk's first row on.
void ChunkGradients(LogitChunks& chunks, int64_t vocabulary, const int64_t* target,
                    const float* log_sum_exp, const float* grad, float inverse_temperature) {
  at::parallel_for(0, chunks.rows(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      LogitGradient(chunks.row(i), vocabulary, target[i], log_sum_exp[i], inverse_temperature,
                    grad[i]);
    }
  });
}

class TokenLogProbFunction : public torch::autograd::Function<TokenLogProbFunction> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* ctx,
                                                const at::Tensor& hidden_td,
                                                const at::Tensor& head_vd,
                                                const at::Tensor& targets_t, double temperature,
                                                int64_t type_number) {
    const BelowAutograd guard;
    const plain::RowSummaries result =
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
    const double inverse_temperature =
        InverseTemperature(ctx->saved_data["temperature"].toDouble());
    const ComputeType type{static_cast<int>(ctx->saved_data["type"].toInt())};
    const BelowAutograd guard;
    const at::Tensor grad_t = grads[0].contiguous();
    const int64_t rows = hidden_td.size(0);
    at::Tensor grad_hidden_xd, grad_head_vd;
    if (ctx->needs_input_grad(0))
      grad_hidden_xd = at::empty({PaddedRows(rows), hidden_td.size(1)}, hidden_td.options());
    if (ctx->needs_input_grad(1)) grad_head_vd = GradientMemory(head_vd).zero_();
    LogitChunks chunks(hidden_td, head_vd, type);
    for (int64_t first = 0; first < rows; first += kLogitRows) {
      chunks.Compute(first);
      const auto here = [&](const at::Tensor& x_t) { return x_t.narrow(0, first, chunks.rows()); };
      if (HasCpuForm(hidden_td)) {
        ChunkGradients(chunks, head_vd.size(0), saved[2].const_data_ptr<int64_t>() + first,
                       saved[3].const_data_ptr<float>() + first,
                       grad_t.const_data_ptr<float>() + first,
                       static_cast<float>(inverse_temperature));
      } else {
        plain::LogitGradients(chunks.logits(), here(saved[2]), here(saved[3]), here(grad_t),
                              inverse_temperature);
      }
      chunks.GradientsOfProduct(grad_hidden_xd.defined()
                                    ? grad_hidden_xd.narrow(0, first, PaddedRows(chunks.rows()))
                                    : at::Tensor(),
                                grad_head_vd);
    }
    const at::Tensor grad_hidden_td =
        grad_hidden_xd.defined() ? grad_hidden_xd.narrow(0, 0, rows) : at::Tensor();
    return {grad_hidden_td, grad_head_vd, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

void CheckTargets(const at::Tensor& targets_t, int64_t vocabulary) {
  const int64_t* target = targets_t.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < targets_t.size(0); ++i) {
    TORCH_CHECK(target[i] >= 0 && target[i] < vocabulary, "TokenLogProb: found target ", target[i],
                ", expected 0 to ", vocabulary - 1);
  }
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
                           const at::Tensor& targets_t, double temperature,
                           ComputeType asked_type) {
  CheckArguments(hidden_td, head_vd, asked_type);
  TORCH_CHECK(targets_t.dim() == 1 && targets_t.size(0) == hidden_td.size(0) &&
                  targets_t.scalar_type() == at::kLong,
              "TokenLogProb: found targets ", targets_t.sizes(), " ", targets_t.scalar_type(),
              ", expected int64 [", hidden_td.size(0), "]");
  const at::Tensor targets = targets_t.contiguous();
  if (targets.is_cpu()) CheckTargets(targets, head_vd.size(0));
  const ComputeType type = ComputeTypeFor(hidden_td, asked_type);
  if (WantsGradient(hidden_td, head_vd)) {
    const auto outputs = TokenLogProbFunction::apply(hidden_td, head_vd, targets, temperature,
                                                     static_cast<int64_t>(type));
    return {outputs[0], outputs[1]};
  }
  const BelowAutograd guard;
  const plain::RowSummaries result =
      Forward(hidden_td, head_vd, targets, InverseTemperature(temperature), type);
  return {result.log_prob_t, result.entropy_t};
}

at::Tensor LogProbRows(const at::Tensor& hidden_td, const at::Tensor& head_vd, double temperature,
                       ComputeType type) {
  CheckArguments(hidden_td, head_vd, type);
  const double wide_inverse_temperature = InverseTemperature(temperature);
  const BelowAutograd guard;
  const at::NoGradGuard no_grad;
  const at::Tensor log_probs_tv = Linear(hidden_td, head_vd, type);
  if (!HasCpuForm(log_probs_tv)) {
    plain::NormalizeLogits(log_probs_tv, wide_inverse_temperature);
    return log_probs_tv;
  }
  const auto inverse_temperature = static_cast<float>(wide_inverse_temperature);
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
