#include "parallel/pipeline/schedule/schedule.h"

#include <gtest/gtest.h>

#include "tests/parallel/pipeline/schedule/complete.h"

namespace deduce {
namespace {

TEST(ScheduleTest, StagesOfALoopGoRoundTheRanks) {
  const Schedule schedule = LoopSchedule("loop", 3, 2, 1);
  EXPECT_EQ(schedule.num_stages(), 6);
  EXPECT_EQ(StageOf(schedule, 1, {Work::kForward, 1, 0}), 4);
}

TEST(ScheduleTest, StagesOfAVComeBack) {
  const Schedule schedule = VSchedule("v", 3, 1);
  EXPECT_EQ(schedule.num_stages(), 6);
  EXPECT_EQ(StageOf(schedule, 0, {Work::kForward, 1, 0}), 5);
  EXPECT_EQ(StageOf(schedule, 2, {Work::kForward, 1, 0}), 3);
}

TEST(ScheduleTest, WhatDoesNotExistHasNoStage) {
  const Schedule schedule = LoopSchedule("loop", 3, 1, 1);
  EXPECT_EQ(StageOf(schedule, 0, {Work::kForward, 1, 0}), -1);
  EXPECT_EQ(StageOf(schedule, 0, {Work::kForward, 0, 1}), -1);
  EXPECT_EQ(StageOf(schedule, 3, {Work::kForward, 0, 0}), -1);
}

TEST(ScheduleTest, StepsAreWrittenShort) {
  EXPECT_EQ(StepsText({{{Work::kInputGradient, 0, 12}},
                       {{Work::kForward, 1, 2}, Action{Work::kBackward, 0, 1}}}),
            "I0.12 F1.2&B0.1");
}

}  // namespace
}  // namespace deduce
