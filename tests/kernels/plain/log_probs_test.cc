#include "kernels/plain/log_probs.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>

#include <limits>

#include "kernels/token_log_prob.h"
#include "tests/kernels/oracle.h"

namespace deduce {
namespace {

// Logits of up to 5 with 1e-6 absolute error; sums over 101 tokens, and over 600 rows for the
// head's gradient.
constexpr double kBound = 2e-5;

// fp64 takes the plain form, through the same chunks.
TEST(PlainLogProbsTest, ChunksAgreeWithTheCpuForm) {
  const int64_t rows = kLogitRows + 112;
  const at::Tensor targets_t = at::arange(rows, at::kLong).mul(7).remainder(101);
  const auto log_probs = [&](const auto& in) {
    return TokenLogProb(in[0], in[1], targets_t, 0.7).log_prob_t;
  };
  const at::Tensor hidden_td = NormalTensor("hidden", {rows, 24});
  const at::Tensor head_vd = NormalTensor("head", {101, 24}, 0.2);
  ExpectMatchesFormula({hidden_td, head_vd}, log_probs, log_probs, kBound);
  const at::Tensor wide_td = hidden_td.to(at::kDouble), wide_vd = head_vd.to(at::kDouble);
  ExpectNear(TokenLogProb(hidden_td, head_vd, targets_t, 0.7).entropy_t,
             TokenLogProb(wide_td, wide_vd, targets_t, 0.7).entropy_t, kBound, "entropy");
  ExpectNear(LogProbRows(hidden_td.narrow(0, 0, 5), head_vd, 0.7),
             LogProbRows(wide_td.narrow(0, 0, 5), wide_vd, 0.7), kBound, "rows");
}

TEST(PlainLogProbsTest, AnImpossibleTokenHasNoShareInTheEntropy) {
  at::Tensor logits_tv = NormalTensor("logits", {1, 5});
  logits_tv[0][2] = -std::numeric_limits<float>::infinity();
  const at::Tensor targets_t = at::arange(1, at::kLong);
  const auto entropy = [&](const at::Tensor& x_tv) {
    return plain::SummarizeLogits(x_tv, targets_t, 1.3).entropy_t;
  };
  const at::Tensor others_tv = at::cat({logits_tv.narrow(1, 0, 2), logits_tv.narrow(1, 3, 2)}, 1);
  ExpectNear(entropy(logits_tv), entropy(others_tv), 1e-6, "entropy");
}

}  // namespace
}  // namespace deduce
