#include "parallel/pipeline/plan.h"

#include <gtest/gtest.h>

#include <string>

#include "parallel/pipeline/schedule/dual_pipe.h"
#include "parallel/pipeline/schedule/one_f_one_b.h"

namespace deduce {
namespace {

TEST(PlanTest, AnActionsTextSaysWhatAndWithWhom) {
  EXPECT_EQ(ActionText({PlanOp::kInputGradient, 1, 2}), "I1.2");
  EXPECT_EQ(ActionText({PlanOp::kReceiveGradient, 0, 3, 2}), "receive gradient 0.3 from 2");
  EXPECT_EQ(ActionText({.op = PlanOp::kReduce, .chunk = 1, .group = {0, 3}}), "reduce 1 over 0 3");
  EXPECT_EQ(ActionText({.op = PlanOp::kReleaseWeights, .chunk = 1}), "release weights 1");
  EXPECT_EQ(ActionText({.op = PlanOp::kExchange,
                        .parts = {{PlanOp::kSendActivation, 0, 3, 2},
                                  {PlanOp::kReceiveGradient, 0, 1, 2}}}),
            "exchange {send activation 0.3 to 2, receive gradient 0.1 from 2}");
}

TEST(PlanTest, APairHasItsForwardFirstAndTheNameOfBoth) {
  const PlanAction pair = ActionOf({{Work::kBackward, 1, 2}, Action{Work::kForward, 0, 3}});
  EXPECT_EQ(ActionText(pair), "F0.3&B1.2");
  EXPECT_EQ(pair.micro_batch, 3);
  ASSERT_EQ(WorksOf(pair).size(), 2u);
  EXPECT_EQ(WorksOf(pair)[1].op, PlanOp::kBackward);
  EXPECT_EQ(WorksOf(WorksOf(pair)[0]).size(), 1u);
  EXPECT_TRUE(WorksOf({.op = PlanOp::kUpdate}).empty());
}

TEST(PlanTest, BothEndsOfAMessageAreOfOneChannel) {
  const Schedule schedule = OneFOneB(3, 2);
  EXPECT_EQ(ChannelOf(schedule, 0, {PlanOp::kSendActivation, 0, 1, 1}),
            ChannelOf(schedule, 1, {PlanOp::kReceiveActivation, 0, 1, 0}));
  const Channel gradient = ChannelOf(schedule, 2, {PlanOp::kSendGradient, 0, 1, 1});
  EXPECT_EQ(gradient, (Channel{.from = 2, .to = 1, .gradient = true, .stage = 1}));
  EXPECT_EQ(gradient, ChannelOf(schedule, 1, {PlanOp::kReceiveGradient, 0, 1, 2}));
}

TEST(PlanTest, BothRanksWithAStageHoldIt) {
  EXPECT_EQ(HoldersOf(DualPipe(4, 8), 1), (std::vector<int>{1, 2}));
  EXPECT_EQ(HoldersOf(OneFOneB(3, 2), 1), (std::vector<int>{1}));
}

}  // namespace
}  // namespace deduce
