#include "kernels/plain/double_precision.h"

#include <ATen/ops/tensor.h>

#include "kernels/causal_attention.h"
#include "kernels/grouped_matmul.h"
#include "kernels/linear.h"
#include "kernels/rms_norm.h"
#include "kernels/rotary.h"
#include "kernels/swiglu.h"
#include "kernels/token_log_prob.h"
#include "kernels/top_k_routing.h"
#include "tests/kernels/oracle.h"

namespace deduce {
namespace {

// A kernel given fp64 agrees with itself given fp32, to fp32's rounding, and answers in fp64.
void ExpectOneFormula(const std::vector<at::Tensor>& inputs, const TensorFunction& kernel,
                      double bound) {
  ExpectMatchesFormula(
      inputs, kernel,
      [&](const auto& in) {
        const at::Tensor out = kernel(in);
        EXPECT_EQ(out.scalar_type(), at::kDouble);
        return out;
      },
      bound);
}

TEST(DoublePrecisionTest, Products) {
  const at::Tensor x_td = NormalTensor("x", {7, 12}), weight_od = NormalTensor("w", {5, 12});
  ExpectOneFormula(
      {x_td, weight_od}, [](const auto& in) { return Linear(in[0], in[1]); }, 1e-5);
  ExpectOneFormula(
      {x_td, NormalTensor("e", {3, 5, 12})},
      [](const auto& in) {
        return GroupedMatmul(in[0], in[1], {4, 0, 3});
      },
      1e-5);
}

TEST(DoublePrecisionTest, NormAndActivation) {
  ExpectOneFormula(
      {NormalTensor("x", {5, 13}), NormalTensor("w", {13})},
      [](const auto& in) { return RmsNorm(in[0], in[1], 1e-5); }, 1e-5);
  ExpectOneFormula(
      {NormalTensor("gate", {4, 9}), NormalTensor("up", {4, 9})},
      [](const auto& in) { return SwiGlu(in[0], in[1]); }, 1e-5);
}

TEST(DoublePrecisionTest, RotationsOfBothPairings) {
  const RotaryTable table = MakeRotaryTable({.dim = 6}, 32);
  const at::Tensor positions_t = at::tensor(std::vector<int64_t>{0, 5, 31}, at::kLong);
  for (const RotaryPairing pairing : {RotaryPairing::kHalves, RotaryPairing::kInterleaved}) {
    ExpectOneFormula(
        {NormalTensor("x", {3, 2, 6})},
        [&](const auto& in) { return ApplyRotary(in[0], positions_t, table, pairing); }, 1e-6);
  }
}

TEST(DoublePrecisionTest, Attention) {
  ExpectOneFormula(
      {NormalTensor("q", {11, 4, 8}), NormalTensor("k", {11, 2, 8}), NormalTensor("v", {11, 2, 5})},
      [](const auto& in) {
        return CausalAttention(in[0], in[1], in[2], {0, 3, 3, 11}, 0.3);
      },
      2e-5);
}

TEST(DoublePrecisionTest, LogProbabilities) {
  const at::Tensor targets_t = at::tensor(std::vector<int64_t>{3, 0, 8}, at::kLong);
  const at::Tensor hidden_td = NormalTensor("x", {3, 6}), head_vd = NormalTensor("head", {9, 6});
  ExpectOneFormula(
      {hidden_td, head_vd},
      [&](const auto& in) { return TokenLogProb(in[0], in[1], targets_t, 0.7).log_prob_t; }, 1e-5);
  ExpectNear(TokenLogProb(hidden_td, head_vd, targets_t).entropy_t,
             TokenLogProb(hidden_td.to(at::kDouble), head_vd.to(at::kDouble), targets_t).entropy_t,
             1e-5, "entropy");
}

TEST(DoublePrecisionTest, GatesAndAffinities) {
  const at::Tensor bias_e = NormalTensor("bias", {8}, 0.1);
  for (const Affinity affinity : {Affinity::kSigmoid, Affinity::kSoftmax}) {
    for (const bool normalize : {true, false}) {
      const RoutingOptions options = {.top_k = 3,
                                      .num_groups = 4,
                                      .top_groups = 2,
                                      .scale = 2.5,
                                      .normalize = normalize,
                                      .affinity = affinity};
      const auto routed = [&](const auto& in) { return TopKRouting(in[0], bias_e, options); };
      const at::Tensor logits_te = NormalTensor("logits", {6, 8});
      ExpectOneFormula(
          {logits_te}, [&](const auto& in) { return routed(in).gate_tk; }, 1e-5);
      ExpectOneFormula(
          {logits_te}, [&](const auto& in) { return routed(in).affinity_te; }, 1e-5);
    }
  }
}

}  // namespace
}  // namespace deduce
