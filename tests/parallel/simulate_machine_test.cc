// What the machine adds to a schedule: shared cores, pairs in turn, transfers.
#include <gtest/gtest.h>

#include <vector>

#include "parallel/pipeline/make_plan.h"
#include "parallel/pipeline/schedule/dual_pipe.h"
#include "parallel/pipeline/schedule/gpipe.h"
#include "parallel/pipeline/schedule/one_f_one_b.h"
#include "parallel/pipeline/schedule/zbv.h"
#include "parallel/pipeline/simulate.h"

namespace deduce {
namespace {

TEST(SimulateMachineTest, RanksThatWorkShareTheCores) {
  // Two ranks on one core. Rank 0 works alone until 2, when its first output is there. Then each
  // has half of the core: F0.0 on rank 1 and F0.1 on rank 0 end at 6; F0.1 on rank 1, alone, at 8.
  const Timeline timeline = Simulate(Gpipe(2, 1, 2), {.forward = 2, .backward = 4, .cores = 1});
  EXPECT_EQ(timeline.ranks[0][0].end, 2);
  EXPECT_EQ(timeline.ranks[0][1].begin, 2);
  EXPECT_EQ(timeline.ranks[0][1].end, 6);
  EXPECT_EQ(timeline.ranks[1][0].end, 6);
  EXPECT_EQ(timeline.ranks[1][1].end, 8);
  // One core never rests, so the makespan is all the work.
  EXPECT_EQ(timeline.makespan, 2 * 2 * (2 + 4));
}

TEST(SimulateMachineTest, ShareOfACoreIsTakenInFractions) {
  // Both work from 1 on, at 3/4 of their speed.
  const Timeline timeline = Simulate(Gpipe(2, 1, 2), {.forward = 1, .backward = 3, .cores = 1.5});
  EXPECT_DOUBLE_EQ(timeline.ranks[0][1].end, 1 + 1 / 0.75);
  EXPECT_DOUBLE_EQ(timeline.ranks[1][0].end, 1 + 1 / 0.75);
}

TEST(SimulateMachineTest, ACoreForEachRankIsAsIfTheyDidNotShare) {
  const ScheduleCosts costs{.forward = 3, .backward = 5, .overlapped = 7, .transfer = 2};
  ScheduleCosts shared = costs;
  shared.cores = 8;
  const Timeline alone = Simulate(DualPipe(8, 20), costs);
  const Timeline together = Simulate(DualPipe(8, 20), shared);
  EXPECT_EQ(alone.makespan, together.makespan);
  EXPECT_EQ(alone.bubble, together.bubble);
}

TEST(SimulateMachineTest, PairsWithoutATimeOfTheirOwnAreDoneInTurn) {
  const Schedule schedule = DualPipe(2, 4);
  ScheduleCosts costs;
  costs.stages.assign(2, {.forward = 1, .backward = 2, .input_gradient = 1, .weight_gradient = 1});
  const Timeline timeline = Simulate(schedule, costs);
  for (int rank = 0; rank < 2; ++rank) {
    size_t actions = 0;
    for (const Step& step : schedule.ranks[rank]) actions += step.second ? 2 : 1;
    EXPECT_EQ(timeline.ranks[rank].size(), actions);
    double end = 0;
    for (const TimedStep& timed : timeline.ranks[rank]) {
      EXPECT_FALSE(timed.step.second);
      EXPECT_GE(timed.begin, end);
      end = timed.end;
    }
  }
}

// As the executor does it: one action, and then the exchange.
TEST(SimulateMachineTest, APairInTurnIsSentWhenBothAreOver) {
  const Schedule schedule = DualPipe(2, 4);
  ScheduleCosts costs;
  costs.stages.assign(2, {.forward = 1, .backward = 2, .input_gradient = 1, .weight_gradient = 1});
  costs.overlapped_stages.assign(2, std::vector<double>(2, 1 + 2));
  const Timeline at_once = Simulate(schedule, costs);
  costs.overlapped_stages.clear();
  const Timeline in_turn = Simulate(schedule, costs);
  EXPECT_EQ(in_turn.makespan, at_once.makespan);
  EXPECT_EQ(in_turn.bubble, at_once.bubble);
}

TEST(SimulateMachineTest, WeightsAreGatheredAsOftenAsThePlanSays) {
  for (const Schedule& schedule : {DualPipeV(2, 6), Zbv(2, 4), Gpipe(2, 2, 3)}) {
    const Plan plan = WithShardedWeights(MakePlan(schedule));
    const Timeline timeline = Simulate(schedule, {.gather = 10});
    for (int rank = 0; rank < 2; ++rank) {
      double gathers = 0;
      for (const PlanAction& action : plan.ranks[rank])
        gathers += action.op == PlanOp::kGatherWeights;
      EXPECT_EQ(timeline.exposed[rank], 10 * gathers) << schedule.name;
    }
  }
}

TEST(SimulateMachineTest, ExposedIsTheWaitForWhatHasBeenMade) {
  // Rank 1 begins at 3 + 1: the 3 are the bubble of a pipeline, the 1 is the transfer. Its second
  // input comes over while it works. Rank 0 waits for the gradient from 6 (two forwards done) to
  // 4 + 3 + 5 + 1; what it waits for is made at 12, one before. Its second is made at 20 and begun
  // at 21, after the first backward ended at 18.
  const Timeline timeline =
      Simulate(OneFOneB(2, 2), {.forward = 3, .backward = 5, .transfer = 1, .transfer_bytes = 10});
  EXPECT_EQ(timeline.exposed[1], 1);
  EXPECT_EQ(timeline.exposed[0], 2);
  EXPECT_EQ(timeline.bytes_sent[0], 2 * 10);  // two outputs
  EXPECT_EQ(timeline.bytes_sent[1], 2 * 10);  // two gradients
}

TEST(SimulateMachineTest, NothingIsSentFromARankToItself) {
  // The V turns on rank 1: its two stages exchange 2 x 4 tensors without a message.
  const Timeline timeline = Simulate(Zbv(2, 4), {.transfer = 1, .transfer_bytes = 1});
  EXPECT_EQ(timeline.bytes_sent[0], 4 + 4);
  EXPECT_EQ(timeline.bytes_sent[1], 4 + 4);
  const TimedStep* turn_begin = nullptr;
  const TimedStep* turn_end = nullptr;
  for (const TimedStep& timed : timeline.ranks[1]) {
    const Action& action = timed.step.first;
    if (action.work != Work::kForward || action.micro_batch != 0) continue;
    (action.chunk == 0 ? turn_begin : turn_end) = &timed;
  }
  EXPECT_EQ(turn_end->begin, turn_begin->end);
}

}  // namespace
}  // namespace deduce
