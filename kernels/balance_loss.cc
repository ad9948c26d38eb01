#include "kernels/balance_loss.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <numeric>

#include "kernels/form.h"
#include "kernels/plain/routing.h"

namespace deduce {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Keeps a token whose affinities all underflow from dividing by zero.
constexpr double kTinyAffinity = 1e-20;

// One sequence: adds to the loss, and fills the gradient's rows. load: its choices of each expert,
// also those of tokens that are elsewhere.
double AddSequence(const float* affinity, int64_t rows, const int64_t* load, int64_t experts,
                   int64_t top_k, float* grad) {
  const double choices = static_cast<double>(std::accumulate(load, load + experts, int64_t{0}));
  const double length = choices / static_cast<double>(top_k);
  std::vector<double> f(experts);
  for (int64_t e = 0; e < experts; ++e) f[e] = static_cast<double>(experts * load[e]) / choices;
  double loss = 0;
  for (int64_t i = 0; i < rows; ++i) {
    const float* row = affinity + i * experts;
    const double sum = std::accumulate(row, row + experts, kTinyAffinity);
    double weighted = 0;
    for (int64_t e = 0; e < experts; ++e) weighted += f[e] * row[e];
    weighted /= sum;
    loss += weighted / length;
    for (int64_t e = 0; e < experts; ++e)
      grad[i * experts + e] = static_cast<float>((f[e] - weighted) / (sum * length));
  }
  return loss;
}

// The forward value and its gradient in one pass, in double, row after row: sums of a fixed order.
class BalanceFunction : public torch::autograd::Function<BalanceFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& affinity_te,
                            const at::Tensor& load_se, int64_t top_k,
                            const std::vector<int64_t>& sequence_starts) {
    const int64_t experts = affinity_te.size(1);
    const int64_t* load = load_se.const_data_ptr<int64_t>();
    at::Tensor grad_te = at::empty(affinity_te.sizes(), affinity_te.options());
    double loss = 0;
    for (size_t s = 0; s + 1 < sequence_starts.size(); ++s) {
      const int64_t begin = sequence_starts[s] * experts;
      loss += AddSequence(affinity_te.const_data_ptr<float>() + begin,
                          sequence_starts[s + 1] - sequence_starts[s],
                          load + static_cast<int64_t>(s) * experts, experts, top_k,
                          grad_te.mutable_data_ptr<float>() + begin);
    }
    ctx->save_for_backward({grad_te});
    return at::scalar_tensor(loss, affinity_te.options());
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    return {ctx->get_saved_variables()[0].mul(grads[0]), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor SequenceLoad(const at::Tensor& expert_tk, int64_t num_experts,
                        const std::vector<int64_t>& sequence_starts) {
  if (!expert_tk.is_cpu()) return plain::SequenceLoad(expert_tk, num_experts, sequence_starts);
  const auto sequences = static_cast<int64_t>(sequence_starts.size()) - 1;
  const int64_t top_k = expert_tk.size(1);
  const at::Tensor experts = expert_tk.contiguous();
  const int64_t* expert = experts.const_data_ptr<int64_t>();
  at::Tensor load_se = at::zeros({sequences, num_experts}, at::kLong);
  int64_t* load = load_se.mutable_data_ptr<int64_t>();
  for (int64_t s = 0; s < sequences; ++s) {
    for (int64_t pair = sequence_starts[s] * top_k; pair < sequence_starts[s + 1] * top_k; ++pair)
      ++load[s * num_experts + expert[pair]];
  }
  return load_se;
}

at::Tensor SequenceBalanceLoss(const at::Tensor& affinity_te, int64_t top_k,
                               const at::Tensor& load_se,
                               const std::vector<int64_t>& sequence_starts) {
  const auto sequences = static_cast<int64_t>(sequence_starts.size()) - 1;
  TORCH_CHECK(sequences >= 0 && sequence_starts.front() == 0 &&
                  sequence_starts.back() == affinity_te.size(0) &&
                  load_se.sizes() == at::IntArrayRef({sequences, affinity_te.size(1)}),
              "SequenceBalanceLoss: found affinities ", affinity_te.sizes(), " and load ",
              load_se.sizes(), ", expected rows up to the last of ", sequences, " sequences");
  if (!HasCpuForm(affinity_te))
    return plain::SequenceBalanceLoss(affinity_te, top_k, load_se, sequence_starts);
  return BalanceFunction::apply(affinity_te.contiguous(), load_se.contiguous(), top_k,
                                sequence_starts);
}

}  // namespace deduce
