#include "kernels/balance_loss.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>

#include "tests/kernels/oracle.h"

namespace deduce {
namespace {

at::Tensor Loss(const at::Tensor& affinity_te, const at::Tensor& expert_tk,
                const std::vector<int64_t>& starts) {
  return SequenceBalanceLoss(affinity_te, expert_tk.size(1),
                             SequenceLoad(expert_tk, affinity_te.size(1), starts), starts);
}

TEST(BalanceLossTest, EvenChoicesGiveOnePerSequence) {
  // Two sequences of 4 tokens over 4 experts, top 2: every expert is chosen twice in each. Then the
  // loss is 1 whatever the affinities are, because f_i is 1 and the P_i add up to 1.
  const at::Tensor expert_tk =
      at::tensor(std::vector<int64_t>{0, 1, 2, 3, 1, 2, 3, 0, 0, 2, 1, 3, 0, 2, 3, 1}).view({8, 2});
  const at::Tensor affinity_te = NormalTensor("1", {8, 4}).sigmoid();
  const at::Tensor loss = Loss(affinity_te, expert_tk, {0, 4, 8});
  EXPECT_FLOAT_EQ(loss.item<float>(), 2.0f);
}

TEST(BalanceLossTest, OneExpertForAllGivesTheNumberOfExpertsTimesItsShare) {
  // Equation 17 by hand: f_0 = 4 / (1 * 2) * 2 = 4, P_0 = (0.5 / 1.0 + 0.6 / 1.0) / 2 = 0.55.
  const at::Tensor affinity_te =
      at::tensor({0.5f, 0.2f, 0.2f, 0.1f, 0.6f, 0.1f, 0.1f, 0.2f}).view({2, 4});
  const at::Tensor expert_tk = at::tensor(std::vector<int64_t>{0, 0}).view({2, 1});
  EXPECT_FLOAT_EQ(Loss(affinity_te, expert_tk, {0, 2}).item<float>(), 2.2f);
}

TEST(BalanceLossTest, GradientAgreesWithCentralDifferences) {
  const at::Tensor affinity_te = NormalTensor("2", {5, 4}).sigmoid().requires_grad_(true);
  const at::Tensor expert_tk =
      at::tensor(std::vector<int64_t>{0, 1, 0, 2, 0, 3, 2, 1, 0, 1}).view({5, 2});
  const std::vector<int64_t> starts = {0, 3, 5};
  (Loss(affinity_te, expert_tk, starts) * 2.0).backward();
  const at::NoGradGuard no_grad;
  const float h = 1.0f / 64;
  for (int64_t i = 0; i < 5; ++i) {
    for (int64_t e = 0; e < 4; ++e) {
      at::Tensor up = affinity_te.detach().clone();
      at::Tensor down = up.clone();
      up[i][e] += h;
      down[i][e] -= h;
      const float difference = (Loss(up, expert_tk, starts).item<float>() -
                                Loss(down, expert_tk, starts).item<float>()) /
                               h;
      // Truncation h^2 * f''' / 6 with f''' below 6, and fp32 rounding 1e-7 / h.
      EXPECT_NEAR(affinity_te.grad()[i][e].item<float>(), difference, 5e-4) << i << "," << e;
    }
  }
}

// Sequences of 6 and 3 tokens in two parts: the parts' losses and gradients are the whole's.
TEST(BalanceLossTest, PartsOfSequencesAddUp) {
  const at::Tensor affinity_te =
      NormalTensor("3", {9, 4}).sigmoid().to(at::kDouble).requires_grad_(true);
  const at::Tensor expert_tk =
      at::tensor(std::vector<int64_t>{0, 1, 0, 2, 0, 3, 2, 1, 0, 1, 3, 1, 2, 0, 2, 3, 1, 0})
          .view({9, 2});
  const at::Tensor whole = Loss(affinity_te, expert_tk, {0, 6, 9});
  whole.backward();
  const at::Tensor expected = affinity_te.grad().clone();
  affinity_te.mutable_grad().zero_();

  const at::Tensor load_se = SequenceLoad(expert_tk, 4, {0, 6, 9});
  const auto part = [&](const std::vector<int64_t>& tokens, const std::vector<int64_t>& starts) {
    return SequenceBalanceLoss(affinity_te.index_select(0, at::tensor(tokens, at::kLong)), 2,
                               load_se, starts);
  };
  const at::Tensor sum = part({0, 1, 5, 8}, {0, 3, 4}) + part({2, 3, 4, 6, 7}, {0, 3, 5});
  sum.backward();
  EXPECT_NEAR(sum.item<double>(), whole.item<double>(), 1e-14);
  EXPECT_LT((affinity_te.grad() - expected).abs().max().item<double>(), 1e-14);
}

}  // namespace
}  // namespace deduce
