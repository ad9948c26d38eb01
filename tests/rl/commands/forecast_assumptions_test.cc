#include "rl/commands/forecast_assumptions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_format.h"
#include "tests/rl/tiny_plan.h"

namespace deduce {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Gigabytes(double bytes) { return absl::StrFormat("%.4g", bytes / 1e9); }

std::vector<std::string> AssumptionsOf(const ForecastJob& planned) {
  return ForecastAssumptions(planned.plan, planned.job);
}

TEST(ForecastAssumptionsTest, WhereCostsComeFromIsSaid) {
  EXPECT_THAT(AssumptionsOf(PlanOf("deepseek_v3_2048_h800")),
              Contains(HasSubstr("measured step of 120 micro-batches")));
  EXPECT_THAT(AssumptionsOf(PlanOf("tiny_r1_zero", {"layout { data_parallel: 1 }"})),
              Contains(HasSubstr("nothing was measured")));
}

TEST(ForecastAssumptionsTest, OnlyWhatAPlanRestsOnIsSaid) {
  const std::vector<std::string> v3 = AssumptionsOf(PlanOf("deepseek_v3_2048_h800"));
  EXPECT_THAT(v3, Contains(HasSubstr("one embedding for both")));
  EXPECT_THAT(v3, Not(Contains(HasSubstr("rollouts"))));
  EXPECT_THAT(v3, Not(Contains(HasSubstr("only fill the schedule"))));
  EXPECT_THAT(AssumptionsOf(PlanOf("deepseek_v3_2048_h800", {"plan { sequences_per_step: 1280 }"})),
              Contains(HasSubstr("only fill the schedule")));
}

TEST(ForecastAssumptionsTest, TheSumsOfExactModeAreCounted) {
  const ForecastJob planned =
      PlanOf("tiny_r1_zero",
             {"layout { data_parallel: 1 } plan { sequences_per_step: 64 sequence_length: 64 "
              "micro_batch_tokens: 64 }"});
  const RankBytes& bytes = planned.plan.memory.front();
  EXPECT_GT(bytes.more_sums, 0.5 * bytes.gradients);
  EXPECT_LT(bytes.more_sums, bytes.gradients);
  EXPECT_THAT(AssumptionsOf(planned),
              Contains(HasSubstr("of the " + Gigabytes(bytes.gradients) +
                                 " GB of gradients on the rank with most of them, all but one sum "
                                 "are " +
                                 Gigabytes(bytes.more_sums) + " GB")));
}

TEST(ForecastAssumptionsTest, WhatAPlanLeavesOutIsSaid) {
  const auto left_out = [](const ForecastJob& planned) {
    return ForecastLeavesOut(planned.plan, planned.job);
  };
  const std::vector<std::string> tiny =
      left_out(PlanOf("tiny_r1_zero", {"layout { data_parallel: 1 }"}));
  EXPECT_THAT(tiny, Contains(HasSubstr("zero_rl: its rollouts, rewards and reference")));
  EXPECT_THAT(tiny, Not(Contains(HasSubstr("CPUs only"))));
  const std::vector<std::string> job = left_out(PlanOf("r1_zero_512_h800"));
  EXPECT_THAT(job, Not(Contains(HasSubstr("rollouts"))));
  EXPECT_THAT(job, Contains(HasSubstr("this version trains on CPUs only")));
}

TEST(ForecastAssumptionsTest, RatesOfDecodingAreSaidForEveryStage) {
  const std::vector<std::string> list = AssumptionsOf(PlanOf("r1_zero_512_h800"));
  EXPECT_THAT(list, Contains(HasSubstr("stage zero_32k: completions of 4500 tokens")));
  EXPECT_THAT(list, Contains(HasSubstr("stage zero_64k: completions of 13000 tokens")));
}

}  // namespace
}  // namespace deduce
