#include "rl/commands/forecast_assumptions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/rl/tiny_plan.h"

namespace deduce {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

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

TEST(ForecastAssumptionsTest, RatesOfDecodingAreSaidForEveryStage) {
  const std::vector<std::string> list = AssumptionsOf(PlanOf("r1_zero_512_h800"));
  EXPECT_THAT(list, Contains(HasSubstr("stage zero_32k: completions of 4500 tokens")));
  EXPECT_THAT(list, Contains(HasSubstr("stage zero_64k: completions of 13000 tokens")));
}

}  // namespace
}  // namespace deduce
