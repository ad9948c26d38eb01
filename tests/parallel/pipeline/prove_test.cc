#include "parallel/pipeline/prove.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "parallel/pipeline/make_plan.h"
#include "parallel/pipeline/schedule/dual_pipe.h"
#include "parallel/pipeline/schedule/gpipe.h"
#include "parallel/pipeline/schedule/make_schedule.h"
#include "parallel/pipeline/schedule/one_f_one_b.h"
#include "tests/parallel/pipeline/receives_first.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;

constexpr const char* kNames[] = {"gpipe", "1f1b",     "interleaved_1f1b", "zb_h1",
                                  "zbv",   "dualpipe", "dualpipev"};

// On both transports, with room for one message a channel, and with few receives under way.
TEST(ProveTest, PlansOfAllSizesAreCorrectOnEveryTransport) {
  for (const char* name : kNames) {
    for (const int ranks : {1, 2, 3, 4, 8, 16}) {
      if (ranks > 1 && ranks % 2 != 0 && name == std::string("dualpipe")) continue;
      for (const int asked : {1, 5, 8, 21}) {
        const int micro_batches = PaddedMicroBatches(name, ranks, asked);
        const Plan plan =
            MakePlan(MakeSchedule(name, ranks, *NumChunks(name, ranks, 0), micro_batches));
        EXPECT_EQ(Prove(plan, {.peak_receives = 6}), absl::OkStatus())
            << name << " on " << ranks << " ranks, " << micro_batches << " micro-batches";
      }
    }
  }
}

// Where channels are independent, receives may begin at the very start. On NCCL the sends behind
// them would never begin.
TEST(ProveTest, ReceivesThatBeginFirstHangOnOrderedPeers) {
  for (const char* name : kNames) {
    const int micro_batches = PaddedMicroBatches(name, 4, 8);
    const Plan plan =
        ReceivesFirst(MakePlan(MakeSchedule(name, 4, *NumChunks(name, 4, 0), micro_batches)));
    EXPECT_EQ(Prove(plan, {.transports = {TransportKind::kChannels}}), absl::OkStatus()) << name;
    const absl::Status status = Prove(plan, {.transports = {TransportKind::kOrderedPeers}});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(std::string(status.message()), HasSubstr("on ordered peers")) << name;
  }
}

TEST(ProveTest, TheCircleOfAHangIsNamed) {
  const Plan plan = ReceivesFirst(MakePlan(OneFOneB(2, 2)));
  EXPECT_EQ(
      std::string(Prove(plan, {}).message()),
      "plan 1f1b: rank 0, action 5 (receive gradient 0.0 from 1): found a wait that never ends on "
      "ordered peers: "
      "rank 0, action 0 (exchange {receive gradient 0.0 from 1}) waits for "
      "\"send gradient 0.0 to 0\" of rank 1, action 5 (exchange {send gradient 0.0 to 0}); "
      "rank 1, action 5 (exchange {send gradient 0.0 to 0}) comes after where rank 1 is; "
      "rank 1, action 1 (receive activation 0.0 from 0) waits for "
      "rank 1, action 0 (exchange {receive activation 0.0 from 0}); "
      "rank 1, action 0 (exchange {receive activation 0.0 from 0}) waits for "
      "\"send activation 0.0 to 1\" of rank 0, action 2 (exchange {send activation 0.0 to 1}); "
      "rank 0, action 2 (exchange {send activation 0.0 to 1}) waits in line behind "
      "rank 0, action 0 (exchange {receive gradient 0.0 from 1}), expected no circle of waits");
}

TEST(ProveTest, AChannelOfOneMessageIsEnoughFor1F1B) {
  EXPECT_EQ(Prove(MakePlan(OneFOneB(4, 8)), {.channel_messages = 1}), absl::OkStatus());
}

TEST(ProveTest, PeakActivationsAreHeldToTheLimit) {
  const Plan plan = MakePlan(OneFOneB(4, 8));
  EXPECT_EQ(Prove(plan, {.peak_activations = 4}), absl::OkStatus());
  EXPECT_THAT(
      std::string(Prove(plan, {.peak_activations = 3}).message()),
      HasSubstr("rank 0: found activations of 4 micro-batches at once, expected at most 3"));
}

bool IsWait(const PlanAction& action) { return IsReceive(action.op); }
auto Is(PlanOp op) {
  return [op](const PlanAction& action) { return action.op == op; };
}

TEST(ProveTest, TheFirstBadActionIsNamed) {
  Plan plan = MakePlan(OneFOneB(2, 2));
  // Two receives begin, and the first is waited for.
  ASSERT_EQ(ActionText(plan.ranks[1][2]), "receive activation 0.0 from 0");
  plan.ranks[1].erase(plan.ranks[1].begin() + 2);
  EXPECT_THAT(
      std::string(Prove(plan, {}).message()),
      HasSubstr(
          "plan 1f1b: rank 1, action 2 (F0.0): found no input, expected it before this action"));
}

// Nothing is lost or doubled here; the ranks only wait for each other.
TEST(ProveTest, ACircleOfWaitsIsFound) {
  Plan plan = MakePlan(OneFOneB(2, 2));
  std::vector<PlanAction>& first = plan.ranks[0];
  // The gradient is waited for before the activation that it is the gradient of has been sent.
  const PlanAction wait = *std::find_if(first.begin(), first.end(), IsWait);
  for (PlanAction& action : first) {
    std::erase_if(action.parts, [&](const PlanAction& part) { return part == wait; });
  }
  std::erase(first, wait);
  first.insert(first.begin(), {{.op = PlanOp::kExchange, .parts = {wait}}, wait});
  const ProofLimits limits{.transports = {TransportKind::kChannels}};
  EXPECT_THAT(std::string(Prove(plan, limits).message()),
              HasSubstr("rank 0, action 1 (receive gradient 0.0 from 1): found a wait that never "
                        "ends on independent channels: "));
}

TEST(ProveTest, ReceivesUnderWayAreHeldToTheLimit) {
  const Plan plan = MakePlan(Gpipe(3, 1, 6));
  EXPECT_EQ(Prove(plan, {.peak_receives = 2}), absl::OkStatus());
  EXPECT_THAT(std::string(Prove(plan, {.peak_receives = 1}).message()),
              HasSubstr("found 2 receives at once, expected at most 1"));
}

TEST(ProveTest, WeightsThatTwoRanksOfThePipelineHoldCannotBeSharded) {
  EXPECT_THAT(std::string(Prove(WithShardedWeights(MakePlan(DualPipe(4, 8))), {}).message()),
              HasSubstr("found another rank of the pipeline with these weights"));
}

TEST(ProveTest, TwoRanksThatReduceTheSameStagesInOtherOrdersAreFound) {
  Plan plan = MakePlan(DualPipe(4, 8));
  std::vector<PlanAction>& actions = plan.ranks[3];
  const auto first = std::find_if(actions.begin(), actions.end(), Is(PlanOp::kReduce));
  std::swap(*first, *(first + 1));
  EXPECT_THAT(std::string(Prove(plan, {}).message()), HasSubstr("found a wait that never ends"));
}

}  // namespace
}  // namespace deduce
