#include "kernels/top_k_routing.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "tests/kernels/oracle.h"

namespace deduce {
namespace {

// Eight experts in four groups; all affinities are about 1/2, so the bias makes the choice.
const std::vector<float> kBias = {0.9F, 0.1F, 0.6F, 0.6F, 0.8F, 0.0F, 0.3F, 0.3F};

std::vector<int64_t> Chosen(const RoutingOptions& options, const std::vector<float>& bias) {
  const at::Tensor bias_e = at::tensor(bias);
  const Routing routing = TopKRouting(at::zeros({1, bias_e.size(0)}, at::kFloat), bias_e, options);
  const int64_t* expert = routing.expert_tk.const_data_ptr<int64_t>();
  return {expert, expert + options.top_k};
}

TEST(TopKRoutingTest, ChoosesTheBestScoresInOrder) {
  EXPECT_EQ(Chosen({.top_k = 3}, kBias), (std::vector<int64_t>{0, 4, 2}));
}

TEST(TopKRoutingTest, KeepsTheGroupsWithTheBestTwoScores) {
  // Group sums 1.0, 1.2, 0.8, 0.6: expert 4 is out although it is the second best.
  EXPECT_EQ(Chosen({.top_k = 3, .num_groups = 4, .top_groups = 2}, kBias),
            (std::vector<int64_t>{0, 2, 3}));
}

TEST(TopKRoutingTest, ScoresAGroupOfOneByItsOnlyExpert) {
  EXPECT_EQ(Chosen({.top_k = 2, .num_groups = 8, .top_groups = 2}, kBias),
            (std::vector<int64_t>{0, 4}));
}

TEST(TopKRoutingTest, MayScoreAGroupByItsBestExpert) {
  // Bests 0.9, 0.6, 0.8, 0.3: now expert 2's group is out.
  EXPECT_EQ(Chosen({.top_k = 3, .num_groups = 4, .top_groups = 2, .group_score = GroupScore::kBest},
                   kBias),
            (std::vector<int64_t>{0, 4, 1}));
}

TEST(TopKRoutingTest, GivesTiesToTheLowerIndex) {
  EXPECT_EQ(Chosen({.top_k = 3}, std::vector<float>(8, 0.0F)), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(Chosen({.top_k = 2, .num_groups = 4, .top_groups = 1}, std::vector<float>(8, 0.0F)),
            (std::vector<int64_t>{0, 1}));
}

TEST(TopKRoutingTest, NanLogitsStillChooseDistinctExperts) {
  const at::Tensor logits = at::full({1, 4}, NAN, at::kFloat);
  const Routing routing = TopKRouting(logits, at::zeros({4}, at::kFloat),
                                      {.top_k = 2, .num_groups = 2, .top_groups = 1});
  EXPECT_NE(routing.expert_tk[0][0].item<int64_t>(), routing.expert_tk[0][1].item<int64_t>());
}

TEST(TopKRoutingTest, GatesAndAffinitiesMatchFormulaWithGradients) {
  const at::Tensor bias_e = NormalTensor("bias", {13});
  for (const auto& [normalize, affinity] :
       {std::pair{true, Affinity::kSigmoid}, std::pair{false, Affinity::kSigmoid},
        std::pair{true, Affinity::kSoftmax}, std::pair{false, Affinity::kSoftmax}}) {
    const RoutingOptions options{
        .top_k = 4, .scale = 2.5, .normalize = normalize, .affinity = affinity};
    const at::Tensor logits_te = NormalTensor("logits", {9, 13});
    const at::Tensor expert_tk = TopKRouting(logits_te, bias_e, options).expert_tk;
    const at::Tensor mix_te = NormalTensor("mix", {9, 13});
    const auto formula = [&](const at::Tensor& logits) {
      const at::Tensor affinity_te =
          options.affinity == Affinity::kSigmoid ? logits.sigmoid() : logits.softmax(-1);
      at::Tensor gate_tk = affinity_te.gather(1, expert_tk);
      if (options.normalize) gate_tk = gate_tk / gate_tk.sum(-1, true);
      return at::cat({gate_tk * 2.5, affinity_te}, -1);
    };
    const auto kernel = [&](const at::Tensor& logits) {
      const Routing routing = TopKRouting(logits, bias_e, options);
      return at::cat({routing.gate_tk, routing.affinity_te}, -1);
    };
    ExpectMatchesFormula(
        {logits_te}, [&](const auto& in) { return kernel(in[0]); },
        [&](const auto& in) { return formula(in[0]); }, 2e-6);  // a dozen roundings of 6e-8
  }
}

TEST(TopKRoutingTest, GradientOfGatesAloneNeedsNoAffinityGradient) {
  const at::Tensor logits_te = NormalTensor("logits", {3, 6}).set_requires_grad(true);
  const Routing routing =
      TopKRouting(logits_te, at::zeros({6}, at::kFloat), {.top_k = 2, .scale = 2});
  EXPECT_FALSE(routing.expert_tk.requires_grad());
  // Normalized gates sum to the scale whatever the logits.
  routing.gate_tk.sum().backward();
  EXPECT_LE(logits_te.grad().abs().max().item<float>(), 1e-6);
}

TEST(TopKRoutingTest, BiasNeverEntersTheGates) {
  const at::Tensor logits_te = NormalTensor("logits", {5, 8});
  const RoutingOptions options{.top_k = 8};
  const Routing plain = TopKRouting(logits_te, at::zeros({8}, at::kFloat), options);
  const Routing biased = TopKRouting(logits_te, at::zeros({8}, at::kFloat) + 5, options);
  ExpectNear(biased.gate_tk.sum(-1), plain.gate_tk.sum(-1), 1e-6, "sum of gates");
  EXPECT_TRUE(SameBits(biased.affinity_te, plain.affinity_te));
}

TEST(TopKRoutingTest, RowBitsDoNotDependOnRowCount) {
  for (const int64_t experts : {13, 40}) {
    const at::Tensor bias_e = NormalTensor("bias", {experts});
    for (const Affinity affinity : {Affinity::kSigmoid, Affinity::kSoftmax}) {
      ExpectRowBitsIndependent(
          NormalTensor("logits", {70, experts}), [&](const at::Tensor& logits) {
            const Routing routing = TopKRouting(logits, bias_e, {.top_k = 3, .affinity = affinity});
            return at::cat({routing.gate_tk, routing.affinity_te}, -1);
          });
    }
  }
}

TEST(TopKRoutingTest, AcceptsNoRows) {
  const at::Tensor logits_te = at::empty({0, 6}, at::kFloat).set_requires_grad(true);
  const Routing routing = TopKRouting(logits_te, at::zeros({6}, at::kFloat), {.top_k = 2});
  EXPECT_EQ(routing.expert_tk.sizes(), at::IntArrayRef({0, 2}));
  routing.gate_tk.sum().backward();
}

TEST(TopKRoutingTest, RejectsMoreChoicesThanTheGroupsHold) {
  EXPECT_THROW(TopKRouting(at::zeros({1, 8}, at::kFloat), at::zeros({8}, at::kFloat),
                           {.top_k = 3, .num_groups = 4, .top_groups = 1}),
               c10::Error);
}

}  // namespace
}  // namespace deduce
