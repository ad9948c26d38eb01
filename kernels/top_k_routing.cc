#include "kernels/top_k_routing.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "kernels/backward/autograd.h"
#include "kernels/cpu/masked_vector.h"
#include "kernels/form.h"

namespace deduce {
namespace {

constexpr int64_t kRowGrain = 64;  // rows worth a thread
constexpr float kEpsilon = 1e-20f;

void SigmoidRow(const float* logits, int64_t experts, float* affinity) {
  ForEachVector(experts, [&](int64_t i, int64_t count) {
    StoreMasked(Sigmoid(LoadMasked(logits + i, count)), affinity + i, count);
  });
}

void SoftmaxRow(const float* logits, int64_t experts, float* affinity) {
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  FloatVector max_lanes(kLowest);
  ForEachVector(experts, [&](int64_t i, int64_t count) {
    max_lanes = at::vec::maximum(max_lanes, LoadMasked(logits + i, count, kLowest));
  });
  const FloatVector max(MaxLanes(max_lanes));
  FloatVector sum_lanes(0.0f);
  ForEachVector(experts, [&](int64_t i, int64_t count) {
    const FloatVector e = (LoadMasked(logits + i, count, kLowest) - max).exp();
    StoreMasked(e, affinity + i, count);
    sum_lanes = sum_lanes + e;
  });
  const FloatVector sum(SumLanes(sum_lanes));
  ForEachVector(experts, [&](int64_t i, int64_t count) {
    StoreMasked(LoadMasked(affinity + i, count) / sum, affinity + i, count);
  });
}

// The index of the largest score among those not taken (ties to the lower index; a NaN loses to
// everything), marked taken.
int64_t TakeBest(const float* scores, int64_t n, std::vector<char>& taken) {
  int64_t best = -1;
  for (int64_t i = 0; i < n; ++i) {
    if (taken[static_cast<size_t>(i)]) continue;
    if (best < 0 || scores[i] > scores[best] ||
        (scores[best] != scores[best] && scores[i] == scores[i]))
      best = i;
  }
  taken[static_cast<size_t>(best)] = 1;
  return best;
}

// The largest score of a group, or the sum of its two largest.
float ScoreGroup(const float* scores, int64_t size, GroupScore by) {
  if (by == GroupScore::kBest || size == 1) return *std::max_element(scores, scores + size);
  float first = std::max(scores[0], scores[1]);
  float second = std::min(scores[0], scores[1]);
  for (int64_t i = 2; i < size; ++i) {
    if (scores[i] > first) {
      second = first;
      first = scores[i];
    } else if (scores[i] > second) {
      second = scores[i];
    }
  }
  return first + second;
}

// Chooses the experts of one row by affinity + bias. `choice` and `group_scores` are scratch.
class RowChooser {
 public:
  RowChooser(const RoutingOptions& options, int64_t experts)
      : options_(options),
        experts_(experts),
        choice_(static_cast<size_t>(experts)),
        group_score_(static_cast<size_t>(options.num_groups)) {}

  void Choose(const float* affinity, const float* bias, int64_t* chosen) {
    for (int64_t i = 0; i < experts_; ++i) choice_[static_cast<size_t>(i)] = affinity[i] + bias[i];
    expert_taken_.assign(static_cast<size_t>(experts_), 0);
    if (options_.top_groups < options_.num_groups) ExcludeGroups();
    for (int64_t k = 0; k < options_.top_k; ++k)
      chosen[k] = TakeBest(choice_.data(), experts_, expert_taken_);
  }

 private:
  void ExcludeGroups() {
    const int64_t size = experts_ / options_.num_groups;
    group_taken_.assign(static_cast<size_t>(options_.num_groups), 0);
    for (int64_t g = 0; g < options_.num_groups; ++g) {
      group_score_[static_cast<size_t>(g)] =
          ScoreGroup(choice_.data() + g * size, size, options_.group_score);
    }
    for (int64_t k = 0; k < options_.top_groups; ++k) {
      TakeBest(group_score_.data(), options_.num_groups, group_taken_);
    }
    for (int64_t i = 0; i < experts_; ++i) {
      expert_taken_[static_cast<size_t>(i)] = !group_taken_[static_cast<size_t>(i / size)];
    }
  }

  const RoutingOptions options_;
  const int64_t experts_;
  std::vector<float> choice_, group_score_;
  std::vector<char> expert_taken_, group_taken_;
};

// The factor that makes gates of the affinities of the chosen.
float GateFactor(const float* affinity, const int64_t* chosen, int64_t top_k, double scale,
                 bool normalize) {
  if (!normalize) return static_cast<float>(scale);
  float sum = 0;
  for (int64_t k = 0; k < top_k; ++k) sum += affinity[chosen[k]];
  return static_cast<float>(scale) / (sum + kEpsilon);
}

Routing Forward(const at::Tensor& logits_te, const at::Tensor& bias_e,
                const RoutingOptions& options) {
  const int64_t rows = logits_te.size(0);
  const int64_t experts = logits_te.size(1);
  Routing routing{at::empty({rows, options.top_k}, at::kLong),
                  at::empty({rows, options.top_k}, at::kFloat), at::empty_like(logits_te)};
  const float* logits = logits_te.const_data_ptr<float>();
  const float* bias = bias_e.const_data_ptr<float>();
  int64_t* expert_data = routing.expert_tk.data_ptr<int64_t>();
  float* gate_data = routing.gate_tk.data_ptr<float>();
  float* affinity_data = routing.affinity_te.data_ptr<float>();
  at::parallel_for(0, rows, kRowGrain, [&](int64_t begin, int64_t end) {
    RowChooser chooser(options, experts);
    for (int64_t row = begin; row < end; ++row) {
      float* affinity = affinity_data + row * experts;
      int64_t* chosen = expert_data + row * options.top_k;
      (options.affinity == Affinity::kSigmoid ? SigmoidRow : SoftmaxRow)(logits + row * experts,
                                                                         experts, affinity);
      chooser.Choose(affinity, bias, chosen);
      const float factor =
          GateFactor(affinity, chosen, options.top_k, options.scale, options.normalize);
      for (int64_t k = 0; k < options.top_k; ++k) {
        gate_data[row * options.top_k + k] = affinity[chosen[k]] * factor;
      }
    }
  });
  return routing;
}

// Options used by backward.
struct GateOptions {
  double scale;
  bool normalize;
  Affinity affinity;
};

// grad_affinity comes in as the gradient of the affinities and leaves as that of the logits.
void BackwardRow(const float* affinity, const int64_t* chosen, const float* grad_gate,
                 int64_t top_k, int64_t experts, const GateOptions& options, float* grad_affinity) {
  const float factor = GateFactor(affinity, chosen, top_k, options.scale, options.normalize);
  float shared = 0;  // every chosen affinity lowers all gates through the sum
  if (options.normalize) {
    for (int64_t k = 0; k < top_k; ++k) shared += grad_gate[k] * affinity[chosen[k]];
    shared *= factor / static_cast<float>(options.scale);
  }
  for (int64_t k = 0; k < top_k; ++k) grad_affinity[chosen[k]] += factor * (grad_gate[k] - shared);
  if (options.affinity == Affinity::kSigmoid) {
    for (int64_t i = 0; i < experts; ++i) grad_affinity[i] *= affinity[i] * (1 - affinity[i]);
    return;
  }
  float mean = 0;
  for (int64_t i = 0; i < experts; ++i) mean += affinity[i] * grad_affinity[i];
  for (int64_t i = 0; i < experts; ++i) grad_affinity[i] = affinity[i] * (grad_affinity[i] - mean);
}

class RoutingFunction : public torch::autograd::Function<RoutingFunction> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* ctx,
                                                const at::Tensor& logits_te,
                                                const at::Tensor& bias_e,
                                                const RoutingOptions& options) {
    Routing routing;
    {
      const BelowAutograd guard;
      routing = Forward(logits_te, bias_e, options);
    }
    ctx->save_for_backward({routing.expert_tk, routing.affinity_te});
    ctx->mark_non_differentiable({routing.expert_tk});
    ctx->saved_data["scale"] = options.scale;
    ctx->saved_data["normalize"] = options.normalize;
    ctx->saved_data["affinity"] = static_cast<int64_t>(options.affinity);
    return {routing.expert_tk, routing.gate_tk, routing.affinity_te};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const GateOptions options{ctx->saved_data["scale"].toDouble(),
                              ctx->saved_data["normalize"].toBool(),
                              static_cast<Affinity>(ctx->saved_data["affinity"].toInt())};
    const BelowAutograd guard;
    const at::Tensor grad_gate_tk = grads[1].contiguous();
    at::Tensor grad_te = grads[2].clone(at::MemoryFormat::Contiguous);
    const int64_t top_k = saved[0].size(1);
    const int64_t experts = grad_te.size(1);
    const int64_t* chosen = saved[0].const_data_ptr<int64_t>();
    const float* affinity = saved[1].const_data_ptr<float>();
    const float* grad_gate = grad_gate_tk.const_data_ptr<float>();
    float* grad = grad_te.data_ptr<float>();
    for (int64_t row = 0; row < grad_te.size(0); ++row) {
      BackwardRow(affinity + row * experts, chosen + row * top_k, grad_gate + row * top_k, top_k,
                  experts, options, grad + row * experts);
    }
    return {grad_te, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

Routing TopKRouting(const at::Tensor& logits_te, const at::Tensor& bias_e,
                    const RoutingOptions& options) {
  TORCH_CHECK(logits_te.dim() == 2 && bias_e.dim() == 1 && logits_te.size(1) == bias_e.size(0) &&
                  at::isFloatingType(logits_te.scalar_type()) && bias_e.scalar_type() == at::kFloat,
              "TopKRouting: found logits ", logits_te.sizes(), " ", logits_te.scalar_type(),
              " and bias ", bias_e.sizes(), " ", bias_e.scalar_type(),
              ", expected floating [t, experts] and fp32 [experts]");
  const int64_t experts = logits_te.size(1);
  TORCH_CHECK(options.num_groups >= 1 && experts % options.num_groups == 0 &&
                  options.top_groups >= 1 && options.top_groups <= options.num_groups &&
                  options.top_k >= 1 &&
                  options.top_k <= experts / options.num_groups * options.top_groups,
              "TopKRouting: found top_k ", options.top_k, " of ", experts, " experts, ",
              options.top_groups, " of ", options.num_groups,
              " groups, expected groups that divide the experts and at least top_k",
              " experts in the chosen groups");
  if (!HasCpuForm(logits_te)) return plain::TopKRouting(logits_te, bias_e, options);
  const at::Tensor logits = logits_te.contiguous();
  const at::Tensor bias = bias_e.contiguous();
  if (WantsGradient(logits)) {
    const auto outputs = RoutingFunction::apply(logits, bias, options);
    return {outputs[0], outputs[1], outputs[2]};
  }
  const BelowAutograd guard;
  return Forward(logits, bias, options);
}

}  // namespace deduce
