#include "parallel/pipeline/action_recorder.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "parallel/pipeline/executor.h"
#include "parallel/pipeline/make_plan.h"
#include "parallel/pipeline/schedule/zb_h1.h"
#include "tests/testing/rank_group.h"

namespace deduce {
namespace {

using nlohmann::json;

// A stage whose work is to pass on a number.
class PassingStage : public ChunkWork {
 public:
  at::Tensor EmptyInput(int) override { return at::empty({1}); }
  at::Tensor EmptyOutput(int) override { return at::empty({1}); }
  at::Tensor Forward(int, const at::Tensor& input) override {
    return input.defined() ? input : at::ones({1});
  }
  at::Tensor Backward(int, const at::Tensor&) override { return at::ones({1}); }
  at::Tensor InputGradient(int, const at::Tensor&) override { return at::ones({1}); }
  void WeightGradient(int) override {}
  void Reduce() override {}
  void GatherWeights() override {}
  void ReleaseWeights() override {}
};

// Events of a rank in the trace of executing a plan, besides names.
std::map<int, std::vector<json>> RecordedEvents(const Plan& plan, std::set<std::string>& names) {
  const int ranks = static_cast<int>(plan.ranks.size());
  std::map<int, std::vector<json>> events;
  RunRanks(ranks, [&](Communicator& world) {
    PassingStage stage;
    ActionRecorder recorder;
    Execute(plan, {&stage}, world, &recorder);
    const std::string text = recorder.TakeTrace({.pipeline_rank = world.rank()}, world, "measured");
    EXPECT_TRUE(recorder.actions().empty());
    EXPECT_EQ(text.empty(), world.rank() != 0);
    if (text.empty()) return;
    const json trace = json::parse(text);
    for (const json& event : trace.at("traceEvents")) {
      EXPECT_EQ(event.at("pid"), 0);
      if (event.at("ph") == "X") {
        events[event.at("tid")].push_back(event);
      } else {
        names.insert(event.at("args").at("name"));
      }
    }
  });
  return events;
}

TEST(ActionRecorderTest, TheTraceHasEveryActionOfEveryRankInOrder) {
  const Plan plan = MakePlan(ZbH1(2, 3));
  std::set<std::string> names;
  const auto events = RecordedEvents(plan, names);
  if (events.empty()) return;  // under mpirun only rank 0 has them
  EXPECT_EQ(names,
            (std::set<std::string>{"measured, replica 0", "pipeline rank 0", "pipeline rank 1"}));
  for (int rank = 0; rank < 2; ++rank) {
    std::vector<std::string> expected, found;
    for (const PlanAction& action : plan.ranks[rank]) {
      if (action.op != PlanOp::kUpdate) expected.push_back(ActionText(action));
    }
    double end = -1;  // seconds of the system clock are good to a quarter of a microsecond
    for (const json& event : events.at(rank)) {
      found.push_back(event.at("name"));
      EXPECT_GE(event.at("ts").get<double>(), end - 0.01);  // microseconds, written to a thousandth
      end = event.at("ts").get<double>() + event.at("dur").get<double>();
    }
    EXPECT_EQ(found, expected);
  }
}

TEST(ActionRecorderTest, WhatIsSentEndsNoLaterThanItIsReceived) {
  std::set<std::string> names;
  const auto events = RecordedEvents(MakePlan(ZbH1(2, 3)), names);
  if (events.empty()) return;
  std::map<std::pair<std::string, int>, json> by_kind;
  for (const auto& [rank, all] : events) {
    for (const json& event : all) {
      if (event.at("cat") == "F" || event.at("cat") == "wait")
        by_kind[{event.at("cat"), rank * 10 + event.at("args").at("micro_batch").get<int>()}] =
            event;
    }
  }
  for (int m = 0; m < 3; ++m) {
    const json& made = by_kind.at({"F", m});
    const json& awaited = by_kind.at({"wait", 10 + m});
    EXPECT_LE(made.at("ts").get<double>() + made.at("dur").get<double>(),
              awaited.at("ts").get<double>() + awaited.at("dur").get<double>());
  }
}

TEST(ActionRecorderTest, NothingIsRecordedForNobody) {
  const PlanAction action{.op = PlanOp::kUpdate};
  { const ActionRecorder::Scope scope(nullptr, action); }
  ActionRecorder recorder;
  { const ActionRecorder::Scope scope(&recorder, action); }
  ASSERT_EQ(recorder.actions().size(), 1u);
  EXPECT_EQ(recorder.actions()[0].action, action);
  EXPECT_GE(recorder.actions()[0].end, recorder.actions()[0].begin);
}

}  // namespace
}  // namespace deduce
