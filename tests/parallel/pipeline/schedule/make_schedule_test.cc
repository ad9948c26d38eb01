#include "parallel/pipeline/schedule/make_schedule.h"

#include <gtest/gtest.h>

#include <string>

#include "parallel/pipeline/make_plan.h"
#include "parallel/pipeline/prove.h"

namespace deduce {
namespace {

constexpr const char* kNames[] = {"gpipe", "1f1b",     "interleaved_1f1b", "zb_h1",
                                  "zbv",   "dualpipe", "dualpipev"};

TEST(MakeScheduleTest, EveryNameGivesAPlanThatCanBeProvedForAnyNumberOfMicroBatches) {
  for (const char* name : kNames) {
    for (const int ranks : {1, 2, 4}) {
      for (int wanted = 1; wanted <= 9; ++wanted) {
        const int micro_batches = PaddedMicroBatches(name, ranks, wanted);
        EXPECT_GE(micro_batches, wanted);
        const auto chunks = NumChunks(name, ranks, 0);
        ASSERT_TRUE(chunks.ok()) << chunks.status();
        const Plan plan = MakePlan(MakeSchedule(name, ranks, *chunks, micro_batches));
        EXPECT_EQ(plan.schedule.num_ranks(), ranks);
        EXPECT_EQ(plan.schedule.num_micro_batches, micro_batches);
        EXPECT_EQ(Prove(plan, {}), absl::OkStatus()) << name << " " << ranks << " " << wanted;
      }
    }
  }
}

TEST(MakeScheduleTest, ForwardsAloneArePlansToo) {
  for (const char* name : kNames) {
    const int micro_batches = PaddedMicroBatches(name, 4, 5);
    const Plan plan =
        ForwardPart(MakePlan(MakeSchedule(name, 4, *NumChunks(name, 4, 0), micro_batches)));
    size_t forwards = 0, exchanges = 0, sends = 0, begun = 0, receives = 0, all = 0;
    for (const std::vector<PlanAction>& actions : plan.ranks) {
      all += actions.size();
      for (const PlanAction& action : actions) {
        forwards += action.op == PlanOp::kForward;
        exchanges += action.op == PlanOp::kExchange;
        receives += action.op == PlanOp::kReceiveActivation;
        for (const PlanAction& part : action.parts) {
          sends += part.op == PlanOp::kSendActivation;
          begun += part.op == PlanOp::kReceiveActivation;
        }
      }
    }
    EXPECT_EQ(forwards, plan.schedule.num_stages() * static_cast<size_t>(micro_batches)) << name;
    EXPECT_EQ(sends, receives) << name;
    EXPECT_EQ(begun, receives) << name;
    EXPECT_EQ(all, forwards + exchanges + receives) << name;
  }
}

TEST(MakeScheduleTest, WhatAScheduleCannotHaveIsNamed) {
  const auto message = [](const char* name, int ranks, int virtual_stages) {
    return std::string(NumChunks(name, ranks, virtual_stages).status().message());
  };
  EXPECT_EQ(message("zbv", 2, 3), "layout.virtual_stages: found 3, expected 2 with schedule zbv");
  EXPECT_EQ(message("interleaved_1f1b", 2, 1),
            "layout.virtual_stages: found 1, expected at least 2 with schedule interleaved_1f1b");
  EXPECT_EQ(message("dualpipe", 3, 0),
            "layout.pipeline_parallel: found 3, expected an even number with schedule dualpipe");
  EXPECT_EQ(message("1F1B", 2, 0),
            "layout.schedule: found \"1F1B\", expected one of gpipe, 1f1b, interleaved_1f1b, "
            "zb_h1, zbv, dualpipe, dualpipev");
  EXPECT_EQ(*NumChunks("interleaved_1f1b", 2, 3), 3);
}

TEST(MakeScheduleTest, OneRankHasAsManyChunksAsItWasAskedFor) {
  for (const char* name : kNames) EXPECT_EQ(*NumChunks(name, 1, 0), 1);
  for (const char* name : {"gpipe", "1f1b", "interleaved_1f1b"}) {
    EXPECT_EQ(*NumChunks(name, 1, 5), 5);
    EXPECT_EQ(MakeSchedule(name, 1, 5, 2).num_stages(), 5);
  }
  EXPECT_FALSE(NumChunks("zbv", 1, 3).ok());
  EXPECT_EQ(StepsText(MakeSchedule("1f1b", 1, 2, 2).ranks[0]),
            "F0.0 F1.0 B1.0 B0.0 F0.1 F1.1 B1.1 B0.1");
  EXPECT_EQ(StepsText(MakeSchedule("gpipe", 1, 2, 2).ranks[0]),
            "F0.0 F0.1 F1.0 F1.1 B1.0 B1.1 B0.0 B0.1");
}

}  // namespace
}  // namespace deduce
