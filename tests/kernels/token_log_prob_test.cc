#include "kernels/token_log_prob.h"

#include <ATen/ops/arange.h>

#include "tests/kernels/oracle.h"

namespace deduce {
namespace {

// Logits of up to 5 with 1e-6 absolute error; sums over 101 tokens, and over 600 rows for the
// head's gradient.
constexpr double kBound = 2e-5;

at::Tensor Targets(int64_t rows, int64_t vocabulary) {
  return at::arange(rows, at::kLong).mul(7).remainder(vocabulary);
}

at::Tensor FormulaLogProbs(const at::Tensor& hidden_td, const at::Tensor& head_vd,
                           double temperature) {
  return (hidden_td.mm(head_vd.t()) / temperature).log_softmax(-1);
}

TEST(TokenLogProbTest, ValueAndGradientsMatchFormula) {
  for (const int64_t rows : std::vector<int64_t>{1, 21, kLogitRows + 112}) {
    const at::Tensor targets = Targets(rows, 101);
    ExpectMatchesFormula(
        {NormalTensor("hidden", {rows, 24}), NormalTensor("head", {101, 24}, 0.2)},
        [&](const auto& in) { return TokenLogProb(in[0], in[1], targets, 0.7).log_prob_t; },
        [&](const auto& in) {
          return FormulaLogProbs(in[0], in[1], 0.7).gather(1, targets.unsqueeze(1)).squeeze(1);
        },
        kBound);
  }
}

TEST(TokenLogProbTest, EntropyMatchesFormula) {
  const at::Tensor hidden = NormalTensor("hidden", {21, 24});
  const at::Tensor head = NormalTensor("head", {101, 24});
  const at::Tensor log_probs = FormulaLogProbs(hidden.to(at::kDouble), head.to(at::kDouble), 1.3);
  ExpectNear(TokenLogProb(hidden, head, Targets(21, 101), 1.3).entropy_t,
             -(log_probs.exp() * log_probs).sum(-1), kBound, "entropy");
}

TEST(TokenLogProbTest, LogProbRowsHaveTheBitsOfTokenLogProb) {
  for (const int64_t vocabulary : {13, 40, 100}) {
    const at::Tensor hidden = NormalTensor("hidden", {700, 24});
    const at::Tensor head = NormalTensor("head", {vocabulary, 24});
    const at::Tensor targets = Targets(700, vocabulary);
    const at::Tensor log_prob_t = TokenLogProb(hidden, head, targets, 0.9).log_prob_t;
    for (const int64_t first : {0, 500}) {
      const at::Tensor rows = LogProbRows(hidden.narrow(0, first, 37), head, 0.9);
      const at::Tensor chosen =
          rows.gather(1, targets.narrow(0, first, 37).unsqueeze(1)).squeeze(1);
      EXPECT_TRUE(SameBits(chosen, log_prob_t.narrow(0, first, 37))) << vocabulary;
    }
  }
}

TEST(TokenLogProbTest, RowBitsDoNotDependOnRowCount) {
  for (const int64_t vocabulary : {13, 100}) {
    const at::Tensor head = NormalTensor("head", {vocabulary, 40});
    ExpectRowBitsIndependent(NormalTensor("hidden", {70, 40}), [&](const at::Tensor& hidden) {
      return LogProbRows(hidden, head, 1.1);
    });
  }
}

// Softmax and its gradient are in fp32; what the head's products take is rounded by 2^-9 at most.
TEST(TokenLogProbTest, Bfloat16RoundsTheOperandsOfTheHead) {
  const int64_t rows = kLogitRows + 112;
  const at::Tensor targets = Targets(rows, 101);
  const auto rounded = [](const at::Tensor& x) {
    return AsOperand(x, ComputeType::kBfloat16).to(at::kFloat);
  };
  const at::Tensor hidden = rounded(NormalTensor("hidden", {rows, 24})).set_requires_grad(true);
  const at::Tensor head = rounded(NormalTensor("head", {101, 24}, 0.2)).set_requires_grad(true);
  const at::Tensor grad_t = NormalTensor("g", {rows});
  const at::Tensor found =
      TokenLogProb(hidden, head, targets, 0.7, ComputeType::kBfloat16).log_prob_t;
  found.backward(grad_t);
  const at::Tensor wide_hidden = hidden.detach().to(at::kDouble).set_requires_grad(true);
  const at::Tensor wide_head = head.detach().to(at::kDouble).set_requires_grad(true);
  const at::Tensor expected =
      FormulaLogProbs(wide_hidden, wide_head, 0.7).gather(1, targets.unsqueeze(1)).squeeze(1);
  expected.backward(grad_t.to(at::kDouble));
  ExpectNear(found, expected, kBound, "log-probabilities");
  // Sums of 101 and of `rows` terms, each off by 2^-9 of a number below 3 x 0.8 and 3 x 4.
  ExpectNear(hidden.grad(), wide_hidden.grad(), 0x1p-9 * 3 * 0.8 * 10, "gradient of hidden");
  ExpectNear(head.grad(), wide_head.grad(), 0x1p-9 * 3 * 4 * 25, "gradient of head");
}

TEST(TokenLogProbTest, LogProbRowsHaveTheBitsOfTokenLogProbInBfloat16) {
  const at::Tensor hidden = NormalTensor("hidden", {40, 24}),
                   head = NormalTensor("head", {100, 24});
  const at::Tensor targets = Targets(40, 100);
  const at::Tensor rows = LogProbRows(
      hidden.narrow(0, 7, 3), AsOperand(head, ComputeType::kBfloat16), 0.9, ComputeType::kBfloat16);
  const at::Tensor all =
      TokenLogProb(hidden, head, targets, 0.9, ComputeType::kBfloat16).log_prob_t;
  EXPECT_TRUE(SameBits(rows.gather(1, targets.narrow(0, 7, 3).unsqueeze(1)).squeeze(1),
                       all.narrow(0, 7, 3)));
}

TEST(TokenLogProbTest, EntropyCarriesNoGradient) {
  const at::Tensor hidden = NormalTensor("hidden", {3, 8}).set_requires_grad(true);
  const TokenLogProbs out = TokenLogProb(hidden, NormalTensor("head", {11, 8}), Targets(3, 11));
  EXPECT_TRUE(out.log_prob_t.requires_grad());
  EXPECT_FALSE(out.entropy_t.requires_grad());
}

TEST(TokenLogProbTest, AcceptsNoRows) {
  const at::Tensor head = NormalTensor("head", {11, 8}).set_requires_grad(true);
  const TokenLogProbs out = TokenLogProb(at::empty({0, 8}, at::kFloat), head, Targets(0, 11));
  out.log_prob_t.sum().backward();
  EXPECT_EQ(out.log_prob_t.numel(), 0);
  EXPECT_EQ(head.grad().abs().max().item<float>(), 0);
}

TEST(TokenLogProbTest, RejectsTargetOutsideTheVocabulary) {
  EXPECT_THROW(TokenLogProb(NormalTensor("hidden", {3, 8}), NormalTensor("head", {11, 8}),
                            Targets(3, 11) + 9),
               c10::Error);
}

}  // namespace
}  // namespace deduce
