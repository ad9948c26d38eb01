#include "parallel/pipeline/prove.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "parallel/pipeline/schedule/dual_pipe.h"
#include "parallel/pipeline/schedule/gpipe.h"
#include "parallel/pipeline/schedule/interleaved.h"
#include "parallel/pipeline/schedule/one_f_one_b.h"
#include "parallel/pipeline/schedule/one_rank.h"
#include "parallel/pipeline/schedule/zb_h1.h"
#include "parallel/pipeline/schedule/zbv.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;

std::vector<Plan> CorrectPlans() {
  std::vector<Plan> plans;
  for (const Schedule& schedule :
       {Gpipe(4, 1, 6), OneFOneB(4, 8), OneFOneB(1, 3), Interleaved(4, 2, 8), ZbH1(4, 8), Zbv(4, 9),
        DualPipe(4, 8), DualPipe(8, 20), DualPipeV(4, 10)}) {
    plans.push_back(MakePlan(schedule));
  }
  for (const Schedule& schedule :
       {Gpipe(4, 2, 6), Interleaved(4, 2, 8), ZbH1(4, 8), Zbv(4, 9), OneRank(3, 4)}) {
    plans.push_back(WithShardedWeights(MakePlan(schedule)));
  }
  return plans;
}

TEST(ProveTest, PlansOfAllSchedulesAreCorrect) {
  for (const Plan& plan : CorrectPlans())
    EXPECT_EQ(Prove(plan, {.channel_messages = 2}), absl::OkStatus()) << plan.schedule.name;
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

// --- damage ---

bool IsWork(const PlanAction& action) { return action.op <= PlanOp::kWeightGradient; }
bool IsForward(const PlanAction& action) { return action.op == PlanOp::kForward; }
bool IsSend(const PlanAction& action) {
  return action.op == PlanOp::kSendActivation || action.op == PlanOp::kSendGradient;
}
bool IsReceive(const PlanAction& action) {
  return action.op == PlanOp::kReceiveActivation || action.op == PlanOp::kReceiveGradient;
}
auto Is(PlanOp op) {
  return [op](const PlanAction& action) { return action.op == op; };
}

// Where in a plan something is to be broken.
struct Spot {
  Plan& plan;
  int rank;
  std::vector<PlanAction>& actions;
  size_t index;
  PlanAction& action() const { return actions[index]; }
  void Erase() const { actions.erase(actions.begin() + static_cast<std::ptrdiff_t>(index)); }
  void Insert(size_t at, const PlanAction& action) const {
    actions.insert(actions.begin() + static_cast<std::ptrdiff_t>(at), action);
  }
  // The first action that `is`, from `from` on.
  std::optional<size_t> Find(const std::function<bool(const PlanAction&)>& is,
                             size_t from = 0) const {
    const auto found =
        std::find_if(actions.begin() + static_cast<std::ptrdiff_t>(from), actions.end(), is);
    if (found == actions.end()) return std::nullopt;
    return static_cast<size_t>(found - actions.begin());
  }
  void Move(size_t from, size_t to) const {
    const PlanAction moved = actions[from];
    actions.erase(actions.begin() + static_cast<std::ptrdiff_t>(from));
    Insert(to, moved);
  }
};

struct Damage {
  const char* name;
  std::function<bool(const PlanAction&)> where;
  std::function<bool(const Spot&)> apply;  // false: not possible here
};

// The same chunk's and micro-batch's other work in the list.
std::optional<size_t> Counterpart(const Spot& spot, PlanOp op) {
  return spot.Find([&](const PlanAction& other) {
    return other.op == op && other.chunk == spot.action().chunk &&
           other.micro_batch == spot.action().micro_batch;
  });
}

bool Replace(const Spot& spot, const std::function<void(PlanAction&)>& change) {
  change(spot.action());
  return true;
}

std::vector<Damage> WorkDamages() {
  return {
      {"work left out", IsWork, [](const Spot& s) { return s.Erase(), true; }},
      {"work done twice", IsWork,
       [](const Spot& s) { return s.Insert(s.index, s.action()), true; }},
      {"another micro-batch", [](const PlanAction& a) { return a.micro_batch >= 0; },
       [](const Spot& s) {
         return Replace(s, [&](PlanAction& a) {
           a.micro_batch = (a.micro_batch + 1) % s.plan.schedule.num_micro_batches;
         });
       }},
      {"no such micro-batch", IsWork,
       [](const Spot& s) {
         return Replace(s,
                        [&](PlanAction& a) { a.micro_batch = s.plan.schedule.num_micro_batches; });
       }},
      {"no such chunk", IsWork,
       [](const Spot& s) {
         return Replace(s, [&](PlanAction& a) { a.chunk = s.plan.schedule.num_chunks; });
       }},
      {"backward before its forward", IsForward,
       [](const Spot& s) {
         auto later = Counterpart(s, PlanOp::kBackward);
         if (!later) later = Counterpart(s, PlanOp::kInputGradient);
         std::swap(s.actions[s.index].op, s.actions[*later].op);
         return true;
       }},
      {"weight gradient before its input gradient", Is(PlanOp::kInputGradient),
       [](const Spot& s) {
         const auto later = Counterpart(s, PlanOp::kWeightGradient);
         std::swap(s.actions[s.index].op, s.actions[*later].op);
         return true;
       }},
      {"half a backward", Is(PlanOp::kBackward),
       [](const Spot& s) {
         return Replace(s, [](PlanAction& a) { a.op = PlanOp::kInputGradient; });
       }},
      {"a whole backward and a half", Is(PlanOp::kInputGradient),
       [](const Spot& s) { return Replace(s, [](PlanAction& a) { a.op = PlanOp::kBackward; }); }},
  };
}

std::vector<Damage> TransferDamages() {
  return {
      {"send left out", IsSend, [](const Spot& s) { return s.Erase(), true; }},
      {"send done twice", IsSend,
       [](const Spot& s) { return s.Insert(s.index, s.action()), true; }},
      {"receive left out", IsReceive, [](const Spot& s) { return s.Erase(), true; }},
      {"receive done twice", IsReceive,
       [](const Spot& s) { return s.Insert(s.index, s.action()), true; }},
      {"another peer", [](const PlanAction& a) { return IsSend(a) || IsReceive(a); },
       [](const Spot& s) {
         return Replace(s, [&](PlanAction& a) {
           a.peer = (a.peer + 1) % static_cast<int>(s.plan.ranks.size());
         });
       }},
      {"itself as peer", [](const PlanAction& a) { return IsSend(a) || IsReceive(a); },
       [](const Spot& s) { return Replace(s, [&](PlanAction& a) { a.peer = s.rank; }); }},
      {"send before what it sends", Is(PlanOp::kSendActivation),
       [](const Spot& s) {
         const auto forward = Counterpart(s, PlanOp::kForward);
         return s.Move(s.index, *forward), true;
       }},
      {"receive after its use", Is(PlanOp::kReceiveActivation),
       [](const Spot& s) {
         const auto forward = Counterpart(s, PlanOp::kForward);
         return s.Move(s.index, *forward), true;
       }},
      {"two messages of a channel the other way round", Is(PlanOp::kReceiveActivation),
       [](const Spot& s) {
         const PlanAction first = s.action();
         const auto next = s.Find(
             [&](const PlanAction& a) {
               return a.op == first.op && a.peer == first.peer && a.chunk == first.chunk;
             },
             s.index + 1);
         const auto use = Counterpart(s, PlanOp::kForward);
         if (!next || *next < *use) return false;
         s.Move(*next, s.index);  // early, so that nothing lacks its input
         return true;
       }},
  };
}

std::vector<Damage> ReductionDamages() {
  return {
      {"reduction left out", Is(PlanOp::kReduce), [](const Spot& s) { return s.Erase(), true; }},
      {"reduction done twice", Is(PlanOp::kReduce),
       [](const Spot& s) { return s.Insert(s.index, s.action()), true; }},
      {"reduction before the last gradient", Is(PlanOp::kReduce),
       [](const Spot& s) {
         const int chunk = s.action().chunk;
         const auto last = s.Find([&](const PlanAction& a) {
           return a.chunk == chunk &&
                  (a.op == PlanOp::kBackward || a.op == PlanOp::kWeightGradient);
         });
         return s.Move(s.index, *last), true;
       }},
      {"reduction over too few", Is(PlanOp::kReduce),
       [](const Spot& s) { return Replace(s, [](PlanAction& a) { a.group.pop_back(); }); }},
      {"reduction over too many", Is(PlanOp::kReduce),
       [](const Spot& s) { return Replace(s, [](PlanAction& a) { a.group.push_back(99); }); }},
      {"update left out", Is(PlanOp::kUpdate), [](const Spot& s) { return s.Erase(), true; }},
      {"update done twice", Is(PlanOp::kUpdate),
       [](const Spot& s) { return s.Insert(s.index, s.action()), true; }},
      {"update before the reduction", Is(PlanOp::kUpdate),
       [](const Spot& s) {
         const int chunk = s.action().chunk;
         const auto reduction = s.Find(
             [&](const PlanAction& a) { return a.op == PlanOp::kReduce && a.chunk == chunk; });
         return s.Move(s.index, *reduction), true;
       }},
  };
}

std::vector<Damage> WeightDamages() {
  return {
      {"gather left out", Is(PlanOp::kGatherWeights),
       [](const Spot& s) { return s.Erase(), true; }},
      {"gather done twice", Is(PlanOp::kGatherWeights),
       [](const Spot& s) { return s.Insert(s.index, s.action()), true; }},
      {"gather after the work that wants it", Is(PlanOp::kGatherWeights),
       [](const Spot& s) { return s.Move(s.index, s.index + 1), true; }},
      {"gather of whole weights", Is(PlanOp::kReduce),
       [](const Spot& s) {
         if (s.plan.shards_weights) return false;
         s.Insert(s.index, {.op = PlanOp::kReleaseWeights, .chunk = s.action().chunk});
         s.Insert(s.index, {.op = PlanOp::kGatherWeights, .chunk = s.actions[s.index].chunk});
         return true;
       }},
      {"release left out", Is(PlanOp::kReleaseWeights),
       [](const Spot& s) { return s.Erase(), true; }},
      {"release done twice", Is(PlanOp::kReleaseWeights),
       [](const Spot& s) { return s.Insert(s.index, s.action()), true; }},
      {"release before the last work", Is(PlanOp::kReleaseWeights),
       [](const Spot& s) { return s.Move(s.index, s.index - 1), true; }},
      {"release after the update", Is(PlanOp::kReleaseWeights),
       [](const Spot& s) { return s.Move(s.index, s.actions.size() - 1), true; }},
  };
}

std::vector<Damage> AllDamages() {
  std::vector<Damage> all = WorkDamages();
  for (const std::vector<Damage>& more : {TransferDamages(), ReductionDamages(), WeightDamages()})
    all.insert(all.end(), more.begin(), more.end());
  return all;
}

// Each kind in ten places of every plan that has such a place.
TEST(ProveTest, EveryDamageIsFound) {
  std::mt19937 random(5);
  const std::vector<Damage> damages = AllDamages();
  for (const Damage& damage : damages) {
    int applied = 0;
    for (const Plan& correct : CorrectPlans()) {
      for (int attempt = 0; attempt < 10; ++attempt) {
        Plan plan = correct;
        const int rank = static_cast<int>(random() % plan.ranks.size());
        std::vector<size_t> places;
        for (size_t i = 0; i < plan.ranks[rank].size(); ++i) {
          if (damage.where(plan.ranks[rank][i])) places.push_back(i);
        }
        if (places.empty()) continue;
        const size_t place = places[random() % places.size()];
        if (!damage.apply({plan, rank, plan.ranks[rank], place})) continue;
        if (plan.ranks == correct.ranks) continue;  // one micro-batch, or one rank, has no other
        ++applied;
        const absl::Status status = Prove(plan, {.channel_messages = 2});
        EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument)
            << damage.name << " in " << plan.schedule.name << ", rank " << rank << ", action "
            << place;
      }
    }
    EXPECT_GE(applied, 10) << damage.name;
  }
  EXPECT_GE(damages.size(), 15U);
}

TEST(ProveTest, TheFirstBadActionIsNamed) {
  Plan plan = MakePlan(OneFOneB(2, 2));
  plan.ranks[1].erase(plan.ranks[1].begin());
  EXPECT_THAT(
      std::string(Prove(plan, {}).message()),
      HasSubstr(
          "plan 1f1b: rank 1, action 0 (F0.0): found no input, expected it before this action"));
}

// Nothing is lost or doubled here; the ranks only wait for each other.
TEST(ProveTest, ACircleOfWaitsIsFound) {
  Plan plan = MakePlan(OneFOneB(2, 2));
  std::vector<PlanAction>& first = plan.ranks[0];
  // Rank 0: F0.0, send, F0.1, send, receive gradient 0.0, ... The gradient is waited for before the
  // activation that it is the gradient of has been sent.
  const auto receive = std::find_if(first.begin(), first.end(), Is(PlanOp::kReceiveGradient));
  std::rotate(first.begin(), receive, receive + 1);
  EXPECT_THAT(
      std::string(Prove(plan, {}).message()),
      HasSubstr("rank 0, action 0 (receive gradient 0.0 from 1): found a wait that never ends"));
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

TEST(ProveTest, PeakBytesWeighActivationsByTheirChunk) {
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

}  // namespace
}  // namespace deduce
