#include "parallel/pipeline/peak_memory.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "parallel/pipeline/make_plan.h"
#include "parallel/pipeline/schedule/dual_pipe.h"
#include "parallel/pipeline/schedule/zbv.h"

namespace deduce {
namespace {

TEST(PeakMemoryTest, BytesWeighActivationsByTheirChunk) {
  const std::vector<PlanAction> actions = {
      {PlanOp::kForward, 0, 0},  {PlanOp::kForward, 1, 1},       {PlanOp::kBackward, 1, 1},
      {PlanOp::kForward, 0, 2},  {PlanOp::kInputGradient, 0, 0}, {PlanOp::kWeightGradient, 0, 0},
      {PlanOp::kBackward, 0, 2},
  };
  EXPECT_EQ(PeakActivations(actions), 2);
  EXPECT_EQ(PeakActivationBytes(actions, {1, 1}), 2);
  EXPECT_EQ(PeakActivationBytes(actions, {10, 1}), 20);
  EXPECT_EQ(PeakActivationBytes(actions, {1, 10}), 11);
}

// Its forward's are there before its backward's are given back.
TEST(PeakMemoryTest, APairHoldsTheActivationsOfBoth) {
  const PlanAction forward{PlanOp::kForward, 0, 0}, backward{PlanOp::kBackward, 1, 1};
  const PlanAction pair{.op = PlanOp::kForwardAndBackward, .parts = {forward, backward}};
  EXPECT_EQ(PeakActivations({{PlanOp::kForward, 1, 1}, pair}), 2);
}

TEST(PeakMemoryTest, ReceivesAreHeldFromTheirExchangeToTheWait) {
  const PlanAction first{PlanOp::kReceiveActivation, 0, 0, 1};
  const PlanAction second{PlanOp::kReceiveActivation, 0, 1, 1};
  const PlanAction send{PlanOp::kSendActivation, 0, 0, 2};
  const auto exchange = [](std::vector<PlanAction> parts) {
    return PlanAction{.op = PlanOp::kExchange, .parts = std::move(parts)};
  };
  EXPECT_EQ(PeakReceives({exchange({first}), first, exchange({send, second}), second}), 1);
  EXPECT_EQ(PeakReceives({exchange({first}), exchange({send, second}), first, second}), 2);
}

// A pair reads both chunks; where there is none, one chunk is enough.
TEST(PeakMemoryTest, APairGathersTheWeightsOfBothChunks) {
  const Plan pairs = WithShardedWeights(MakePlan(DualPipeV(2, 4)));
  const Plan none = WithShardedWeights(MakePlan(Zbv(2, 4)));
  EXPECT_EQ(PeakWeightBytes(pairs.ranks[0], {10, 1}), 11);
  EXPECT_EQ(PeakWeightBytes(none.ranks[0], {10, 1}), 10);
}

}  // namespace
}  // namespace deduce
