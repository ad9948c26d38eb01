#include "trainer/step/loss_context.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/tensor.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "data/records/packing.h"
#include "parallel/rank_groups.h"
#include "tests/testing/rank_group.h"
#include "trainer/step/micro_batch_part.h"

namespace deduce {
namespace {

// Sequences of these lengths, each with an advantage of its own.
PackedBatch Sequences(const std::vector<int64_t>& lengths) {
  std::vector<PackItem> items;
  for (const int64_t length : lengths) {
    PackItem item{.tokens = std::vector<int32_t>(static_cast<size_t>(length), 1)};
    item.columns = {{Column::kWeight, {1}},
                    {Column::kAdvantage, {1.5F - static_cast<float>(items.size())}}};
    items.push_back(std::move(item));
  }
  return MakePackedBatch(items);
}

TokenLogProbs Wave(const PackedBatch& batch) {
  const at::Tensor wave_x = at::sin(at::arange(batch.num_tokens(), at::kDouble) * 1.7);
  return {wave_x.clone().requires_grad_(true), wave_x};
}

TokenLogProbs Some(const TokenLogProbs& all, const at::Tensor& token_t) {
  return {at::index_select(all.log_prob_t.detach(), 0, token_t).requires_grad_(true),
          at::index_select(all.entropy_t, 0, token_t)};
}

// A loss of the shape of GSPO: every token has the exponential of the mean over its sequence.
at::Tensor SequenceLoss(const LossContext& context) {
  const at::Tensor& weights_x = context.batch()[Column::kWeight];
  const at::Tensor sum_s = context.SequenceSum(context.log_probs().log_prob_t * weights_x);
  const at::Tensor count_s = context.SequenceSum(weights_x);
  const at::Tensor ratio_x = context.OfTokens(at::exp(sum_s / count_s));
  return (ratio_x * context.batch()[Column::kAdvantage] * weights_x).sum();
}

void ExpectLossOfOneRank(const PackedBatch& batch, int context_ranks, int tensor_ranks) {
  const TokenLogProbs all = Wave(batch);
  const at::Tensor expected = SequenceLoss(LossContext(batch, all));
  expected.backward();
  RunRanks(context_ranks * tensor_ranks, [&](Communicator& world) {
    const RankGroups ranks = MakeRankGroups(world, {.context_parallel = context_ranks,
                                                    .tensor_parallel = tensor_ranks,
                                                    .num_ranks = world.size(),
                                                    .rank = world.rank(),
                                                    .context_rank = world.rank() / tensor_ranks,
                                                    .tensor_rank = world.rank() % tensor_ranks});
    const MicroBatchPart part = SplitForRank(batch, ranks.layout, /*with_ahead=*/false);
    const at::Tensor token_t = at::tensor(part.share->tokens, at::kLong);
    LossContext context({ranks.tensor.get(), ranks.context.get()});
    const TokenLogProbs own = Some(all, token_t);
    context.Add(Head::kToken, part.batch, own);
    const at::Tensor loss = SequenceLoss(context);
    loss.backward();
    // fp64: a few roundings of numbers below 10.
    EXPECT_NEAR(AllReduceSum(world, loss.detach()).item<double>(), expected.item<double>(), 1e-10);
    const at::Tensor difference_x =
        own.log_prob_t.grad() - at::index_select(all.log_prob_t.grad(), 0, token_t);
    EXPECT_LE(difference_x.abs().sum().item<double>(), 1e-10);
  });
}

TEST(LossContextTest, SequenceLossesAreThoseOfOneRankWhoeverHasTheTokens) {
  const PackedBatch batch = Sequences({8, 3, 13});
  ExpectLossOfOneRank(batch, 2, 1);
  ExpectLossOfOneRank(batch, 1, 2);
  ExpectLossOfOneRank(batch, 2, 2);
}

TEST(LossContextTest, RanksWithoutTokensTakePart) { ExpectLossOfOneRank(Sequences({2}), 2, 2); }

TEST(LossContextTest, ASumIsOverTheTokensOfEachSequence) {
  const PackedBatch batch = Sequences({3, 2});
  const LossContext context(batch, Wave(batch));
  const at::Tensor sum_s = context.SequenceSum(at::arange(5, at::kFloat));
  EXPECT_TRUE(at::equal(sum_s, at::tensor(std::vector<double>{3, 7}, at::kDouble)));
  EXPECT_TRUE(at::equal(context.OfTokens(sum_s),
                        at::tensor(std::vector<double>{3, 3, 3, 7, 7}, at::kDouble)));
}

TEST(LossContextTest, AHeadThatWasNotAskedForThrows) {
  const PackedBatch batch = Sequences({3});
  EXPECT_THROW(LossContext(batch, Wave(batch)).log_probs(Head::kNextToken), c10::Error);
}

TEST(LossContextTest, LogProbsOfOtherTokensThrow) {
  const PackedBatch batch = Sequences({3}), other = Sequences({4});
  EXPECT_THROW(LossContext(batch, Wave(other)), c10::Error);
}

}  // namespace
}  // namespace deduce
