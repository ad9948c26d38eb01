// The proof finds whatever is broken in a correct plan.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "parallel/pipeline/make_plan.h"
#include "parallel/pipeline/prove.h"
#include "parallel/pipeline/schedule/dual_pipe.h"
#include "parallel/pipeline/schedule/gpipe.h"
#include "parallel/pipeline/schedule/interleaved.h"
#include "parallel/pipeline/schedule/one_f_one_b.h"
#include "parallel/pipeline/schedule/one_rank.h"
#include "parallel/pipeline/schedule/zb_h1.h"
#include "parallel/pipeline/schedule/zbv.h"

namespace deduce {
namespace {

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

TEST(DamagedPlanTest, WithoutDamageTheyAreCorrect) {
  for (const Plan& plan : CorrectPlans())
    EXPECT_EQ(Prove(plan, {}), absl::OkStatus()) << plan.schedule.name;
}

bool IsWork(const PlanAction& action) { return !WorksOf(action).empty(); }
bool IsForward(const PlanAction& action) { return action.op == PlanOp::kForward; }
bool IsWait(const PlanAction& action) { return IsReceive(action.op); }
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
         if (!later) return false;  // in a pair
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

std::vector<Damage> PairDamages() {
  const auto change = [](const std::function<void(std::vector<PlanAction>&)>& parts) {
    return [parts](const Spot& s) { return parts(s.action().parts), true; };
  };
  const auto is_pair = Is(PlanOp::kForwardAndBackward);
  return {
      {"a pair of one", is_pair, change([](auto& parts) { parts.pop_back(); })},
      {"a pair of three", is_pair, change([](auto& parts) { parts.push_back(parts[0]); })},
      {"a pair turned round", is_pair, change([](auto& parts) { std::swap(parts[0], parts[1]); })},
      {"a forward with half a backward", is_pair,
       change([](auto& parts) { parts[1].op = PlanOp::kInputGradient; })},
      {"a forward with its own backward", is_pair, change([](auto& parts) {
         parts[1].chunk = parts[0].chunk;
         parts[1].micro_batch = parts[0].micro_batch;
       })},
      {"the forward of a pair done before", is_pair,
       [](const Spot& s) { return s.Insert(s.index, PlanAction(s.action().parts[0])), true; }},
      {"the backward of a pair left out", is_pair,
       [](const Spot& s) { return s.action() = PlanAction(s.action().parts[0]), true; }},
      {"a pair called after other work", is_pair,
       [](const Spot& s) { return Replace(s, [](PlanAction& a) { ++a.micro_batch; }); }},
      {"parts of what has none", IsForward,
       [](const Spot& s) { return Replace(s, [](PlanAction& a) { a.parts = {a}; }); }},
  };
}

using OfTransfer = std::function<bool(const PlanAction&)>;
bool Sends(const PlanAction& transfer) { return IsSend(transfer.op); }
bool Receives(const PlanAction& transfer) { return IsReceive(transfer.op); }

// A damage of the first part of an exchange that `is`.
Damage PartDamage(const char* name, const OfTransfer& is,
                  const std::function<bool(const Spot&, size_t)>& apply) {
  const auto find = [is](const PlanAction& action) {
    return std::find_if(action.parts.begin(), action.parts.end(), is) - action.parts.begin();
  };
  return {name,
          [find](const PlanAction& action) {
            return action.op == PlanOp::kExchange &&
                   find(action) < static_cast<std::ptrdiff_t>(action.parts.size());
          },
          [find, apply](const Spot& s) { return apply(s, static_cast<size_t>(find(s.action()))); }};
}

// Takes a part out of its exchange, and the exchange out if nothing is left.
PlanAction TakeOut(const Spot& s, size_t part) {
  std::vector<PlanAction>& parts = s.action().parts;
  const PlanAction taken = parts[part];
  parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(part));
  if (parts.empty()) s.Erase();
  return taken;
}

PlanAction Alone(const PlanAction& transfer) {
  return {.op = PlanOp::kExchange, .parts = {transfer}};
}

// Where an action uses or makes what a transfer carries.
std::optional<size_t> WorkOn(const Spot& s, const PlanAction& transfer, PlanOp op) {
  return s.Find([&](const PlanAction& action) {
    for (const PlanAction& work : WorksOf(action)) {
      if (work.op == op && work.chunk == transfer.chunk && work.micro_batch == transfer.micro_batch)
        return true;
    }
    return false;
  });
}

std::vector<Damage> ExchangeDamages() {
  return {
      PartDamage("send left out", Sends,
                 [](const Spot& s, size_t part) { return TakeOut(s, part), true; }),
      PartDamage("send done twice", Sends,
                 [](const Spot& s, size_t part) {
                   return s.action().parts.push_back(PlanAction(s.action().parts[part])), true;
                 }),
      PartDamage("receive never begun", Receives,
                 [](const Spot& s, size_t part) { return TakeOut(s, part), true; }),
      PartDamage("receive begun twice", Receives,
                 [](const Spot& s, size_t part) {
                   return s.action().parts.push_back(PlanAction(s.action().parts[part])), true;
                 }),
  };
}

std::vector<Damage> OrderDamages() {
  return {
      PartDamage(
          "another peer", [](const PlanAction&) { return true; },
          [](const Spot& s, size_t part) {
            int& peer = s.action().parts[part].peer;
            peer = (peer + 1) % static_cast<int>(s.plan.ranks.size());
            return true;
          }),
      PartDamage(
          "itself as peer", [](const PlanAction&) { return true; },
          [](const Spot& s, size_t part) { return s.action().parts[part].peer = s.rank, true; }),
      PartDamage(
          "another micro-batch in an exchange", [](const PlanAction&) { return true; },
          [](const Spot& s, size_t part) {
            int& micro_batch = s.action().parts[part].micro_batch;
            micro_batch = (micro_batch + 1) % s.plan.schedule.num_micro_batches;
            return true;
          }),
      PartDamage(
          "send before what it sends",
          [](const PlanAction& a) { return a.op == PlanOp::kSendActivation; },
          [](const Spot& s, size_t part) {
            const PlanAction send = TakeOut(s, part);
            s.Insert(*WorkOn(s, send, PlanOp::kForward), Alone(send));
            return true;
          }),
      PartDamage("receive begun after its wait", Receives,
                 [](const Spot& s, size_t part) {
                   const PlanAction receive = TakeOut(s, part);
                   const auto wait = s.Find([&](const PlanAction& a) { return a == receive; });
                   s.Insert(*wait + 1, Alone(receive));
                   return true;
                 }),
      PartDamage("a send by itself", Sends,
                 [](const Spot& s, size_t part) {
                   const size_t at = s.index;
                   return s.Insert(at, TakeOut(s, part)), true;
                 }),
  };
}

// The first of two parts in a row that go the same way between the same ranks.
std::optional<size_t> TwoToOneRank(const std::vector<PlanAction>& parts) {
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    if (Sends(parts[i]) == Sends(parts[i + 1]) && parts[i].peer == parts[i + 1].peer) return i;
  }
  return std::nullopt;
}

std::vector<Damage> CrossedDamages() {
  return {
      {"an empty exchange", Is(PlanOp::kExchange),
       [](const Spot& s) { return s.Insert(s.index, {.op = PlanOp::kExchange}), true; }},
      {"work in an exchange", Is(PlanOp::kExchange),
       [](const Spot& s) { return s.action().parts.push_back({}), true; }},
      {"two messages to a rank the other way round",
       [](const PlanAction& action) { return TwoToOneRank(action.parts).has_value(); },
       [](const Spot& s) {
         const size_t first = *TwoToOneRank(s.action().parts);
         return std::swap(s.action().parts[first], s.action().parts[first + 1]), true;
       }},
      PartDamage("two receives of a channel begun the other way round", Receives,
                 [](const Spot& s, size_t part) {
                   PlanAction& first = s.action().parts[part];
                   for (size_t i = s.index + 1; i < s.actions.size(); ++i) {
                     if (s.actions[i].op != PlanOp::kExchange) continue;
                     for (PlanAction& second : s.actions[i].parts) {
                       if (second.op != first.op || second.peer != first.peer ||
                           second.chunk != first.chunk)
                         continue;
                       return std::swap(first.micro_batch, second.micro_batch), true;
                     }
                   }
                   return false;
                 }),
  };
}

std::vector<Damage> WaitDamages() {
  return {
      {"wait left out", IsWait, [](const Spot& s) { return s.Erase(), true; }},
      {"wait done twice", IsWait,
       [](const Spot& s) { return s.Insert(s.index, s.action()), true; }},
      {"wait for another peer", IsWait,
       [](const Spot& s) {
         return Replace(s, [&](PlanAction& a) {
           a.peer = (a.peer + 1) % static_cast<int>(s.plan.ranks.size());
         });
       }},
      {"wait after its use", Is(PlanOp::kReceiveActivation),
       [](const Spot& s) {
         return s.Move(s.index, *WorkOn(s, s.action(), PlanOp::kForward)), true;
       }},
      {"wait before it has begun", IsWait,
       [](const Spot& s) {
         const PlanAction wait = s.action();
         s.Erase();
         s.Insert(0, wait);
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
  for (const std::vector<Damage>& more :
       {PairDamages(), ExchangeDamages(), OrderDamages(), CrossedDamages(), WaitDamages(),
        ReductionDamages(), WeightDamages()})
    all.insert(all.end(), more.begin(), more.end());
  return all;
}

// Each kind in five places of every plan that has such a place.
TEST(DamagedPlanTest, EveryDamageIsFound) {
  std::mt19937 random(5);
  const std::vector<Damage> damages = AllDamages();
  for (const Damage& damage : damages) {
    int applied = 0;
    for (const Plan& correct : CorrectPlans()) {
      for (int attempt = 0; attempt < 5; ++attempt) {
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
        const absl::Status status = Prove(plan, {});
        EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument)
            << damage.name << " in " << plan.schedule.name << ", rank " << rank << ", action "
            << place;
      }
    }
    EXPECT_GE(applied, 10) << damage.name;
  }
  EXPECT_GE(damages.size(), 50U);
}

}  // namespace
}  // namespace deduce
