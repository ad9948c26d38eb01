#include "parallel/pipeline/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "parallel/pipeline/make_plan.h"
#include "parallel/pipeline/schedule/interleaved.h"
#include "parallel/pipeline/schedule/one_f_one_b.h"
#include "parallel/pipeline/schedule/zbv.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;

PlanAction Send(int micro_batch, int peer) {
  return {PlanOp::kSendActivation, 0, micro_batch, peer};
}
PlanAction Receive(int micro_batch, int peer) {
  return {PlanOp::kReceiveActivation, 0, micro_batch, peer};
}
PlanAction SendBack(int micro_batch, int peer) {
  return {PlanOp::kSendGradient, 0, micro_batch, peer};
}
PlanAction ReceiveBack(int micro_batch, int peer) {
  return {PlanOp::kReceiveGradient, 0, micro_batch, peer};
}
PlanAction Exchange(std::vector<PlanAction> transfers) {
  return {.op = PlanOp::kExchange, .parts = std::move(transfers)};
}

// Two stages on two ranks, with these lists.
Plan TwoRanks(std::vector<PlanAction> first, std::vector<PlanAction> second) {
  Plan plan{.schedule = OneFOneB(2, 3)};
  plan.ranks = {std::move(first), std::move(second)};
  return plan;
}

std::string Error(const Plan& plan, TransportKind transport, int channel_messages = 1) {
  return std::string(CheckProgress(plan, transport, channel_messages).message());
}

// Each sends before it receives, and neither can end its send.
TEST(ProgressTest, SendsThatCrossAreACircleOnOrderedPeersUnlessTheyAreOneExchange) {
  const Plan apart =
      TwoRanks({Exchange({Send(0, 1)}), Exchange({ReceiveBack(0, 1)}), ReceiveBack(0, 1)},
               {Exchange({SendBack(0, 0)}), Exchange({Receive(0, 0)}), Receive(0, 0)});
  EXPECT_EQ(Error(apart, TransportKind::kChannels), "");
  EXPECT_THAT(
      Error(apart, TransportKind::kOrderedPeers),
      HasSubstr("rank 0, action 2 (receive gradient 0.0 from 1): found a wait that never ends "
                "on ordered peers: "));
  const Plan together = TwoRanks({Exchange({Send(0, 1), ReceiveBack(0, 1)}), ReceiveBack(0, 1)},
                                 {Exchange({SendBack(0, 0), Receive(0, 0)}), Receive(0, 0)});
  EXPECT_EQ(Error(together, TransportKind::kOrderedPeers), "");
}

TEST(ProgressTest, OneEndMayBeApartWhereTheOtherIsTogether) {
  EXPECT_EQ(
      Error(TwoRanks({Exchange({Send(0, 1), Send(1, 1), ReceiveBack(0, 1)}), ReceiveBack(0, 1)},
                     {Exchange({Receive(0, 0)}), Receive(0, 0), Exchange({Receive(1, 0)}),
                      Exchange({SendBack(0, 0)}), Receive(1, 0)}),
            TransportKind::kOrderedPeers),
      "");
}

// A receive waits for the whole exchange; here that rests on what comes after the receive.
TEST(ProgressTest, AnExchangeIsOverAsAWholeOnOrderedPeers) {
  const Plan plan = TwoRanks({Exchange({Send(0, 1)}), Exchange({ReceiveBack(0, 1)}),
                              ReceiveBack(0, 1), Exchange({Send(1, 1)})},
                             {Exchange({Receive(0, 0), Receive(1, 0)}), Receive(0, 0),
                              Exchange({SendBack(0, 0)}), Receive(1, 0)});
  EXPECT_EQ(Error(plan, TransportKind::kChannels), "");
  EXPECT_THAT(Error(plan, TransportKind::kOrderedPeers), HasSubstr("found a wait that never ends"));
}

TEST(ProgressTest, ASenderWaitsForRoomInItsChannel) {
  const Plan plan =
      TwoRanks({Exchange({Send(0, 1)}), Exchange({Send(1, 1)}), Exchange({ReceiveBack(0, 1)}),
                ReceiveBack(0, 1)},
               {Exchange({SendBack(0, 0)}), Exchange({SendBack(1, 0)}), Exchange({Receive(0, 0)}),
                Exchange({Receive(1, 0)}), Receive(0, 0), Receive(1, 0)});
  Plan both = plan;
  both.ranks[0].push_back(Exchange({ReceiveBack(1, 1)}));
  EXPECT_EQ(Error(both, TransportKind::kChannels, 2), "");
  EXPECT_THAT(Error(both, TransportKind::kChannels, 1),
              HasSubstr("no circle of waits with 1 messages a channel"));
}

// Messages of two channels between two ranks, which tags tell apart and order does not.
TEST(ProgressTest, WithoutTagsMessagesMeetInTheirOrder) {
  Plan plan = MakePlan(Zbv(2, 3));
  plan.ranks = {{Exchange({{PlanOp::kSendActivation, 0, 0, 1}}),
                 Exchange({{PlanOp::kSendGradient, 1, 0, 1}})},
                {Exchange({{PlanOp::kReceiveGradient, 1, 0, 0}}),
                 Exchange({{PlanOp::kReceiveActivation, 0, 0, 0}})}};
  EXPECT_EQ(Error(plan, TransportKind::kChannels), "");
  EXPECT_THAT(
      Error(plan, TransportKind::kOrderedPeers),
      HasSubstr("rank 1, action 0 (exchange {receive gradient 1.0 from 0}): found a message "
                "that meets \"send activation 0.0 to 1\" of rank 0, action 0"));
}

TEST(ProgressTest, RanksWaitForEachOtherInReductions) {
  Plan plan = MakePlan(Interleaved(2, 2, 2));
  const PlanAction first{.op = PlanOp::kReduce, .chunk = 0, .group = {0, 1}};
  const PlanAction second{.op = PlanOp::kReduce, .chunk = 1, .group = {0, 1}};
  plan.schedule.paths = {{{0, 0}, {0, 1}}, {{1, 0}, {1, 1}}};
  plan.ranks = {{first, second}, {first, second}};
  EXPECT_EQ(Error(plan, TransportKind::kOrderedPeers), "");
  plan.ranks[1] = {second, first};
  EXPECT_THAT(Error(plan, TransportKind::kOrderedPeers),
              HasSubstr("rank 0, action 0 (reduce 0 over 0 1) waits for rank 1; rank 1, action 0 "
                        "(reduce 1 over 0 1) waits for rank 0"));
}

}  // namespace
}  // namespace deduce
