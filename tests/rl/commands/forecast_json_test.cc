#include "rl/commands/forecast_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/rl/tiny_plan.h"

namespace deduce {
namespace {

using nlohmann::json;

TEST(ForecastJsonTest, OneLineWithThePlansNumbers) {
  const ForecastJob planned = PlanOf("deepseek_v3_2048_h800");
  const std::string text = ForecastJson(planned.plan, planned.job);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  const json plan = json::parse(text);
  EXPECT_EQ(plan.at("layout").at("ranks"), 2048);
  EXPECT_EQ(plan.at("stages").size(), 16u);
  EXPECT_EQ(plan.at("stages").at(0).at("ranks"), json({0, 15}));
  EXPECT_EQ(plan.at("proof").at("holds"), true);
  EXPECT_EQ(plan.at("step").at("parameters"), 671'026'404'352);
  EXPECT_EQ(plan.at("step").at("seconds"), planned.plan.update.seconds());
  EXPECT_EQ(plan.at("memory").at("ranks").size(), 16u);
  EXPECT_EQ(plan.at("timeline").at("ranks").size(), 16u);
  EXPECT_EQ(plan.at("timeline").at("ranks").at(3).at("bubble"),
            planned.plan.update.timeline.bubble[3]);
  EXPECT_GT(plan.at("assumptions").size(), 5u);
  EXPECT_EQ(plan.at("left_out").size(), 1u);
  EXPECT_FALSE(plan.contains("reinforcement_learning"));
}

TEST(ForecastJsonTest, AJobIsThereIfItIsPlanned) {
  const ForecastJob planned = PlanOf("r1_zero_512_h800");
  const json plan = json::parse(ForecastJson(planned.plan, planned.job));
  EXPECT_EQ(plan.at("reinforcement_learning").at("hours"), planned.job.hours);
  EXPECT_EQ(plan.at("reinforcement_learning").at("stages").size(), 2u);
}

}  // namespace
}  // namespace deduce
