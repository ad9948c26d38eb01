#include "parallel/pipeline/exchange_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "parallel/pipeline/make_plan.h"
#include "parallel/pipeline/peak_memory.h"
#include "parallel/pipeline/progress.h"
#include "parallel/pipeline/prove.h"
#include "parallel/pipeline/schedule/dual_pipe.h"
#include "parallel/pipeline/schedule/gpipe.h"
#include "parallel/pipeline/schedule/make_schedule.h"
#include "parallel/pipeline/schedule/one_f_one_b.h"
#include "parallel/pipeline/simulate.h"

namespace deduce {
namespace {

std::vector<std::string> ExchangeTexts(const std::vector<PlanAction>& actions) {
  std::vector<std::string> texts;
  for (const PlanAction& action : actions) {
    if (action.op == PlanOp::kExchange) texts.push_back(ActionText(action));
  }
  return texts;
}

// Megatron's 1F1B calls it "send forward, receive backward" and "send backward, receive forward".
TEST(ExchangeOrderTest, NeighboursOf1F1BExchangeAnOutputForAGradient) {
  const Plan plan = MakePlan(OneFOneB(2, 4));
  EXPECT_THAT(
      ExchangeTexts(plan.ranks[0]),
      testing::ElementsAre("exchange {send activation 0.0 to 1}",
                           "exchange {send activation 0.1 to 1, receive gradient 0.0 from 1}",
                           "exchange {send activation 0.2 to 1, receive gradient 0.1 from 1}",
                           "exchange {send activation 0.3 to 1, receive gradient 0.2 from 1}",
                           "exchange {receive gradient 0.3 from 1}"));
}

TEST(ExchangeOrderTest, WhatAPairMakesIsSentAtOnce) {
  const Plan plan = MakePlan(DualPipe(4, 8));
  size_t pairs = 0;
  for (const std::vector<PlanAction>& actions : plan.ranks) {
    for (size_t i = 0; i + 1 < actions.size(); ++i) {
      if (actions[i].op != PlanOp::kForwardAndBackward) continue;
      ++pairs;
      int sends = 0, own = 0;  // what is made, and what of it is for another rank
      if (actions[i + 1].op == PlanOp::kExchange) {
        for (const PlanAction& part : actions[i + 1].parts) sends += IsSend(part.op);
      }
      const int rank = static_cast<int>(&actions - plan.ranks.data());
      own += StageOf(plan.schedule, rank, actions[i].parts[0]) < plan.schedule.num_stages() - 1;
      own += StageOf(plan.schedule, rank, actions[i].parts[1]) > 0;
      EXPECT_EQ(sends, own) << ActionText(actions[i]) << " of rank " << rank;
    }
  }
  EXPECT_GT(pairs, 0u);
}

// The last rank of gpipe sends nothing for a long time, and yet does not begin all its receives.
TEST(ExchangeOrderTest, ReceivesBeginOneWorkAhead) {
  const Plan plan = MakePlan(Gpipe(3, 1, 10));
  EXPECT_EQ(PeakReceives(plan.ranks[2]), 2);
}

// By which messages meet their partners without tags.
TEST(ExchangeOrderTest, BothEndsBeginTheMessagesOfTwoRanksInTheSameOrder) {
  for (const char* name :
       {"gpipe", "1f1b", "interleaved_1f1b", "zb_h1", "zbv", "dualpipe", "dualpipev"}) {
    const int padded = PaddedMicroBatches(name, 4, 9);
    const Plan plan = MakePlan(MakeSchedule(name, 4, *NumChunks(name, 4, 0), padded));
    using Messages = std::vector<std::pair<Channel, int>>;
    std::map<std::pair<int, int>, std::pair<Messages, Messages>> by_ranks;
    for (int rank = 0; rank < 4; ++rank) {
      for (const PlanAction& action : plan.ranks[rank]) {
        if (action.op != PlanOp::kExchange) continue;
        for (const PlanAction& part : action.parts) {
          const Channel channel = ChannelOf(plan.schedule, rank, part);
          auto& [sent, received] = by_ranks[{channel.from, channel.to}];
          (IsSend(part.op) ? sent : received).emplace_back(channel, part.micro_batch);
        }
      }
    }
    for (const auto& [ranks, messages] : by_ranks)
      EXPECT_EQ(messages.first, messages.second)
          << name << ", " << ranks.first << " to " << ranks.second;
  }
}

TEST(ExchangeOrderTest, ForwardsAloneComeToTheirEndsToo) {
  for (const char* name :
       {"gpipe", "1f1b", "interleaved_1f1b", "zb_h1", "zbv", "dualpipe", "dualpipev"}) {
    const int padded = PaddedMicroBatches(name, 4, 9);
    const Plan plan = ForwardPart(MakePlan(MakeSchedule(name, 4, *NumChunks(name, 4, 0), padded)));
    for (const TransportKind transport : {TransportKind::kChannels, TransportKind::kOrderedPeers})
      EXPECT_EQ(CheckProgress(plan, transport, 1), absl::OkStatus()) << name;
  }
}

// When all ranks have ended, if exchanges are over one after the other on each rank, and transfers
// take no time.
class OrderedTimes {
 public:
  explicit OrderedTimes(const Plan& plan) : plan_(plan) {}

  double Makespan() {
    double makespan = 0;
    do {
      changed_ = false;
      for (size_t rank = 0; rank < plan_.ranks.size(); ++rank)
        makespan = std::max(makespan, End(static_cast<int>(rank)));
    } while (changed_);
    return makespan;
  }

 private:
  using Ends = std::pair<double, double>;  // when the sender and the receiver have begun

  void Raise(double& value, double to) {
    changed_ = changed_ || to > value;
    value = std::max(value, to);
  }

  // Goes through a rank's list with what is known of the others' so far.
  double End(int rank) {
    double now = 0, free = 0;  // free: when the exchanges before are over
    std::map<std::pair<Channel, int>, double> received;
    for (const PlanAction& action : plan_.ranks[rank]) {
      if (IsReceive(action.op)) {
        now = std::max(now,
                       received.at({ChannelOf(plan_.schedule, rank, action), action.micro_batch}));
      } else if (action.op == PlanOp::kExchange) {
        const double begin = std::max(now, free);
        free = begin;
        for (const PlanAction& part : action.parts) {
          Ends& ends = begun_[{ChannelOf(plan_.schedule, rank, part), part.micro_batch}];
          Raise(IsSend(part.op) ? ends.first : ends.second, begin);
          free = std::max({free, ends.first, ends.second});
        }
        for (const PlanAction& part : action.parts)
          received[{ChannelOf(plan_.schedule, rank, part), part.micro_batch}] = free;
      } else if (!WorksOf(action).empty()) {
        const PlanOp op = action.op;
        now += op == PlanOp::kForwardAndBackward ? 3 : op == PlanOp::kBackward ? 2 : 1;
      }
    }
    return now;
  }

  const Plan& plan_;
  std::map<std::pair<Channel, int>, Ends> begun_;
  bool changed_ = false;
};

// On NCCL's kind of transport the plan takes as long as the schedule, whose messages wait for
// nothing.
TEST(ExchangeOrderTest, TheOrderMakesNobodyWait) {
  for (const char* name :
       {"gpipe", "1f1b", "interleaved_1f1b", "zb_h1", "zbv", "dualpipe", "dualpipev"}) {
    for (const int ranks : {2, 4, 8}) {
      const int padded = PaddedMicroBatches(name, ranks, 17);
      const Schedule schedule = MakeSchedule(name, ranks, *NumChunks(name, ranks, 0), padded);
      EXPECT_EQ(OrderedTimes(MakePlan(schedule)).Makespan(), Simulate(schedule, {}).makespan)
          << name << " on " << ranks << " ranks";
    }
  }
}

TEST(ExchangeOrderTest, AScheduleThatCannotGoOnIsLeftToTheProof) {
  Schedule schedule = OneFOneB(2, 2);
  std::swap(schedule.ranks[1][0], schedule.ranks[1][1]);  // a backward before its forward
  EXPECT_EQ(Prove(MakePlan(schedule), {}).code(), absl::StatusCode::kInvalidArgument);
  schedule.ranks[1].clear();
  EXPECT_EQ(Prove(MakePlan(schedule), {}).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace deduce
