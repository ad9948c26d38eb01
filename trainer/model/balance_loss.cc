#include "trainer/model/balance_loss.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/scalar_tensor.h>
#include <torch/csrc/autograd/custom_function.h>

#include <numeric>

namespace deduce {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Keeps a token whose affinities all underflow from dividing by zero.
constexpr double kTinyAffinity = 1e-20;

// The forward value and its gradient in one pass, in double, row after row: sums of a fixed order.
class BalanceFunction : public torch::autograd::Function<BalanceFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& affinity_te,
                            const at::Tensor& expert_tk,
                            const std::vector<int64_t>& sequence_starts) {
    const int64_t experts = affinity_te.size(1);
    const int64_t top_k = expert_tk.size(1);
    const float* affinity = affinity_te.const_data_ptr<float>();
    const int64_t* expert = expert_tk.const_data_ptr<int64_t>();
    at::Tensor grad_te = at::empty(affinity_te.sizes(), affinity_te.options());
    float* grad = grad_te.mutable_data_ptr<float>();
    double loss = 0;
    std::vector<double> load(experts);
    for (size_t s = 0; s + 1 < sequence_starts.size(); ++s) {
      const int64_t begin = sequence_starts[s];
      const int64_t end = sequence_starts[s + 1];
      const double length = static_cast<double>(end - begin);
      load.assign(experts, 0);
      for (int64_t pair = begin * top_k; pair < end * top_k; ++pair) {
        load[expert[pair]] += static_cast<double>(experts) / (static_cast<double>(top_k) * length);
      }
      for (int64_t i = begin; i < end; ++i) {
        const float* row = affinity + i * experts;
        const double sum = std::accumulate(row, row + experts, kTinyAffinity);
        double weighted = 0;
        for (int64_t e = 0; e < experts; ++e) weighted += load[e] * row[e];
        weighted /= sum;
        loss += weighted / length;
        for (int64_t e = 0; e < experts; ++e) {
          grad[i * experts + e] = static_cast<float>((load[e] - weighted) / (sum * length));
        }
      }
    }
    ctx->save_for_backward({grad_te});
    return at::scalar_tensor(loss, affinity_te.options());
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    return {ctx->get_saved_variables()[0].mul(grads[0]), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor SequenceBalanceLoss(const at::Tensor& affinity_te, const at::Tensor& expert_tk,
                               const std::vector<int64_t>& sequence_starts) {
  TORCH_CHECK(!sequence_starts.empty() && sequence_starts.front() == 0 &&
                  sequence_starts.back() == affinity_te.size(0) &&
                  expert_tk.size(0) == affinity_te.size(0),
              "SequenceBalanceLoss: found affinities ", affinity_te.sizes(), " and choices ",
              expert_tk.sizes(), ", expected rows up to the last sequence start");
  return BalanceFunction::apply(affinity_te.contiguous(), expert_tk.contiguous(), sequence_starts);
}

}  // namespace deduce
