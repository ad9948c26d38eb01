#include "parallel/pipeline/plan.h"

#include <gtest/gtest.h>

#include <string>

#include "parallel/pipeline/schedule/dual_pipe.h"
#include "parallel/pipeline/schedule/gpipe.h"
#include "parallel/pipeline/schedule/one_f_one_b.h"
#include "parallel/pipeline/schedule/zb_h1.h"
#include "parallel/pipeline/schedule/zbv.h"

namespace deduce {
namespace {

std::string Text(const std::vector<PlanAction>& actions) {
  std::string text;
  for (const PlanAction& action : actions) text += (text.empty() ? "" : ", ") + ActionText(action);
  return text;
}

TEST(PlanTest, TransfersStandAroundTheWorkThatNeedsThem) {
  const Plan plan = MakePlan(OneFOneB(3, 1));
  EXPECT_EQ(Text(plan.ranks[1]),
            "receive activation 0.0 from 0, F0.0, send activation 0.0 to 2, "
            "receive gradient 0.0 from 2, B0.0, send gradient 0.0 to 0, reduce 0 over 1, update 0");
  EXPECT_EQ(Text(plan.ranks[2]),
            "receive activation 0.0 from 1, F0.0, B0.0, send gradient 0.0 to 1, reduce 0 over 2, "
            "update 0");
}

TEST(PlanTest, ChunksOfOneRankNeedNoTransfer) {
  const Plan plan = MakePlan(Zbv(2, 3));
  for (const PlanAction& action : plan.ranks[1]) EXPECT_NE(action.peer, 1) << ActionText(action);
  int sends = 0;
  for (const PlanAction& action : plan.ranks[1]) {
    sends += action.op == PlanOp::kSendActivation || action.op == PlanOp::kSendGradient;
  }
  EXPECT_EQ(sends, 2 * 3);  // up the V, and the gradients down it
}

TEST(PlanTest, ShardedWeightsAreGatheredForAllWorkInARowThatReadsThem) {
  const Plan plan = WithShardedWeights(MakePlan(Gpipe(1, 2, 2)));
  EXPECT_EQ(Text(plan.ranks[0]),
            "gather weights 0, F0.0, F0.1, release weights 0, gather weights 1, F1.0, F1.1, B1.0, "
            "B1.1, release weights 1, gather weights 0, B0.0, B0.1, release weights 0, "
            "reduce 0 over 0, reduce 1 over 0, update 0, update 1");
}

TEST(PlanTest, WeightGradientsNeedNoWeights) {
  const Plan plan = WithShardedWeights(MakePlan(ZbH1(2, 1)));
  EXPECT_EQ(Text(plan.ranks[1]),
            "receive activation 0.0 from 0, gather weights 0, F0.0, I0.0, release weights 0, "
            "send gradient 0.0 to 0, W0.0, reduce 0 over 1, update 0");
}

TEST(PlanTest, ForwardsAloneGatherWeightsOnce) {
  const Plan plan = WithShardedWeights(ForwardPart(MakePlan(Gpipe(1, 2, 2))));
  EXPECT_EQ(Text(plan.ranks[0]),
            "gather weights 0, F0.0, F0.1, release weights 0, gather weights 1, F1.0, F1.1, "
            "release weights 1");
}

TEST(PlanTest, StagesOnTwoRanksAreReducedOverBothInTheOrderOfStages) {
  const Plan plan = MakePlan(DualPipe(4, 8));
  const std::string first = Text(plan.ranks[0]), last = Text(plan.ranks[3]);
  const std::string end = "update 0, update 1";
  EXPECT_EQ(first.substr(first.find("reduce")), "reduce 0 over 0 3, reduce 1 over 0 3, " + end);
  EXPECT_EQ(last.substr(last.find("reduce")),
            "reduce 1 over 0 3, reduce 0 over 0 3, update 1, update 0");
}

}  // namespace
}  // namespace deduce
