#include "kernels/plain/routing.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include "kernels/balance_loss.h"
#include "kernels/expert_rows.h"
#include "kernels/top_k_routing.h"
#include "tests/kernels/oracle.h"

namespace deduce {
namespace {

const std::vector<int64_t> kStarts = {0, 4, 4, 9};

std::vector<RoutingOptions> AllOptions() {
  std::vector<RoutingOptions> all;
  for (const Affinity affinity : {Affinity::kSigmoid, Affinity::kSoftmax}) {
    for (const GroupScore score : {GroupScore::kTwoBest, GroupScore::kBest}) {
      for (const bool normalize : {true, false}) {
        all.push_back({.top_k = 3,
                       .num_groups = 4,
                       .top_groups = 2,
                       .scale = 2.5,
                       .normalize = normalize,
                       .affinity = affinity,
                       .group_score = score});
        all.push_back({.top_k = 3, .normalize = normalize, .affinity = affinity});
      }
    }
  }
  return all;
}

TEST(PlainRoutingTest, ChoicesAreTheCpuForms) {
  const at::Tensor logits_te = NormalTensor("logits", {200, 8}), bias_e = NormalTensor("bias", {8});
  for (const RoutingOptions& options : AllOptions()) {
    EXPECT_TRUE(at::equal(TopKRouting(logits_te, bias_e, options).expert_tk,
                          plain::TopKRouting(logits_te, bias_e, options).expert_tk));
  }
}

TEST(PlainRoutingTest, TiesGoToTheLowerIndexAndNanChoosesDistinctExperts) {
  const at::Tensor zeros_te = at::zeros({1, 8}, at::kFloat), bias_e = at::zeros({8}, at::kFloat);
  const RoutingOptions grouped{.top_k = 2, .num_groups = 4, .top_groups = 1};
  for (const at::Tensor& logits_te : {zeros_te, at::full({1, 8}, NAN, at::kFloat)}) {
    for (const RoutingOptions& options : {grouped, RoutingOptions{.top_k = 2}}) {
      const at::Tensor expert_tk = plain::TopKRouting(logits_te, bias_e, options).expert_tk;
      EXPECT_EQ(expert_tk[0][0].item<int64_t>(), 0);
      EXPECT_EQ(expert_tk[0][1].item<int64_t>(), 1);
    }
  }
}

TEST(PlainRoutingTest, GatesAndAffinitiesAgreeWithTheCpuForm) {
  const at::Tensor bias_e = NormalTensor("bias", {8}, 0.1);
  for (const RoutingOptions& options : AllOptions()) {
    const auto routed = [&](const Routing& found) {
      return at::cat({found.gate_tk, found.affinity_te}, 1);
    };
    ExpectMatchesFormula(
        {NormalTensor("logits", {6, 8})},
        [&](const auto& in) { return routed(TopKRouting(in[0], bias_e, options)); },
        [&](const auto& in) { return routed(plain::TopKRouting(in[0], bias_e, options)); }, 1e-5);
  }
}

TEST(PlainRoutingTest, RowsAreOrderedGatheredAndCombinedAsByTheCpuForms) {
  const at::Tensor expert_tk =
      TopKRouting(NormalTensor("logits", {9, 8}), NormalTensor("bias", {8}), {.top_k = 3})
          .expert_tk;
  const ExpertOrder order = OrderByExpert(expert_tk, 8), plain = plain::OrderByExpert(expert_tk, 8);
  EXPECT_TRUE(at::equal(order.row_tk, plain.row_tk));
  EXPECT_TRUE(at::equal(order.rows_per_expert_e, plain.rows_per_expert_e));
  ExpectMatchesFormula(
      {NormalTensor("x", {9, 13})}, [&](const auto& in) { return GatherRows(in[0], order.row_tk); },
      [&](const auto& in) { return plain::GatherRows(in[0], order.row_tk); }, 1e-6);
  ExpectMatchesFormula(
      {NormalTensor("rows", {27, 13}), NormalTensor("gates", {9, 3})},
      [&](const auto& in) { return CombineRows(in[0], in[1], order.row_tk); },
      [&](const auto& in) { return plain::CombineRows(in[0], in[1], order.row_tk); }, 1e-5);
}

TEST(PlainRoutingTest, LoadsAndBalanceLossAgreeWithTheCpuForms) {
  const at::Tensor logits_te = NormalTensor("logits", {9, 8}), bias_e = NormalTensor("bias", {8});
  const at::Tensor expert_tk = TopKRouting(logits_te, bias_e, {.top_k = 3}).expert_tk;
  const at::Tensor load_se = SequenceLoad(expert_tk, 8, kStarts);
  EXPECT_TRUE(at::equal(load_se, plain::SequenceLoad(expert_tk, 8, kStarts)));
  ExpectMatchesFormula(
      {logits_te.sigmoid()},
      [&](const auto& in) { return SequenceBalanceLoss(in[0], 3, load_se, kStarts); },
      [&](const auto& in) { return plain::SequenceBalanceLoss(in[0], 3, load_se, kStarts); }, 1e-6);
}

}  // namespace
}  // namespace deduce
