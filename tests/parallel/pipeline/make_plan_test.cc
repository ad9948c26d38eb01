#include "parallel/pipeline/make_plan.h"

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

TEST(MakePlanTest, TransfersStandAroundTheWorkThatNeedsThem) {
  const Plan plan = MakePlan(OneFOneB(3, 1));
  EXPECT_EQ(Text(plan.ranks[1]),
            "exchange {receive activation 0.0 from 0}, receive activation 0.0 from 0, F0.0, "
            "exchange {send activation 0.0 to 2, receive gradient 0.0 from 2}, "
            "receive gradient 0.0 from 2, B0.0, exchange {send gradient 0.0 to 0}, "
            "reduce 0 over 1, update 0");
  EXPECT_EQ(Text(plan.ranks[2]),
            "exchange {receive activation 0.0 from 1}, receive activation 0.0 from 1, F0.0, B0.0, "
            "exchange {send gradient 0.0 to 1}, reduce 0 over 2, update 0");
}

TEST(MakePlanTest, ChunksOfOneRankNeedNoTransfer) {
  const Plan plan = MakePlan(Zbv(2, 3));
  int sends = 0;
  for (const PlanAction& action : plan.ranks[1]) {
    for (const PlanAction& part : action.parts) {
      EXPECT_NE(part.peer, 1) << ActionText(action);
      sends += IsSend(part.op);
    }
  }
  EXPECT_EQ(sends, 2 * 3);  // up the V, and the gradients down it
}

TEST(MakePlanTest, ShardedWeightsAreGatheredForAllWorkInARowThatReadsThem) {
  const Plan plan = WithShardedWeights(MakePlan(Gpipe(1, 2, 2)));
  EXPECT_EQ(Text(plan.ranks[0]),
            "gather weights 0, F0.0, F0.1, release weights 0, gather weights 1, F1.0, F1.1, B1.0, "
            "B1.1, release weights 1, gather weights 0, B0.0, B0.1, release weights 0, "
            "reduce 0 over 0, reduce 1 over 0, update 0, update 1");
}

TEST(MakePlanTest, WeightGradientsNeedNoWeights) {
  const Plan plan = WithShardedWeights(MakePlan(ZbH1(2, 1)));
  EXPECT_EQ(Text(plan.ranks[1]),
            "exchange {receive activation 0.0 from 0}, receive activation 0.0 from 0, "
            "gather weights 0, F0.0, I0.0, release weights 0, exchange {send gradient 0.0 to 0}, "
            "W0.0, reduce 0 over 1, update 0");
}

// The turn of the V, where a pair reads both chunks of the rank, and the next pair does too.
TEST(MakePlanTest, AForwardAndABackwardAtOnceAreOneActionThatReadsBothChunks) {
  const std::string text = Text(WithShardedWeights(MakePlan(DualPipeV(1, 3))).ranks[0]);
  EXPECT_EQ(text,
            "gather weights 0, F0.0, release weights 0, gather weights 1, F1.0, release weights 1, "
            "gather weights 0, F0.1, release weights 0, gather weights 1, B1.0, gather weights 0, "
            "F1.1&B0.0, F0.2&B1.1, F1.2&B0.1, release weights 0, B1.2, release weights 1, "
            "gather weights 0, I0.2, release weights 0, W0.2, reduce 0 over 0, "
            "reduce 1 over 0, update 0, update 1");
}

TEST(MakePlanTest, ForwardsAloneGatherWeightsOnce) {
  const Plan plan = WithShardedWeights(ForwardPart(MakePlan(Gpipe(1, 2, 2))));
  EXPECT_EQ(Text(plan.ranks[0]),
            "gather weights 0, F0.0, F0.1, release weights 0, gather weights 1, F1.0, F1.1, "
            "release weights 1");
}

TEST(MakePlanTest, StagesOnTwoRanksAreReducedOverBothInTheOrderOfStages) {
  const Plan plan = MakePlan(DualPipe(4, 8));
  const std::string first = Text(plan.ranks[0]), last = Text(plan.ranks[3]);
  const std::string end = "update 0, update 1";
  EXPECT_EQ(first.substr(first.find("reduce")), "reduce 0 over 0 3, reduce 1 over 0 3, " + end);
  EXPECT_EQ(last.substr(last.find("reduce")),
            "reduce 1 over 0 3, reduce 0 over 0 3, update 1, update 0");
}

}  // namespace
}  // namespace deduce
