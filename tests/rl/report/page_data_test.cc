#include "rl/report/page_data.h"

#include <gtest/gtest.h>

#include <limits>

#include "nlohmann/json.hpp"

namespace deduce {
namespace {

using Json = nlohmann::json;

ReportedRun RunWith(std::vector<MetricPoint> points) {
  ReportedRun run;
  run.metrics = {.directory = "runs/r", .name = "r"};
  run.metrics.stages = {{.name = "rl", .kind = "grpo", .points = std::move(points)}};
  return run;
}

TEST(PageDataTest, NumbersKeepEveryBit) {
  const double third = 1.0 / 3, tiny = 4.9406564584124654e-324, count = 9007199254740991;
  MetricPoint point{.step = 1, .values = {{"a", third}, {"b", tiny}, {"c", count}}};
  point.intervals["a"] = {third - 0.1, third + 0.1};
  const Json stage = Json::parse(PageData({RunWith({point})}))["runs"][0]["stages"][0];
  EXPECT_EQ(stage["metrics"]["a"][0].get<double>(), third);
  EXPECT_EQ(stage["metrics"]["b"][0].get<double>(), tiny);
  EXPECT_EQ(stage["metrics"]["c"][0].get<double>(), count);
  EXPECT_EQ(stage["intervals"]["a"][0][0].get<double>(), third - 0.1);
}

TEST(PageDataTest, AMetricOfSomeStepsIsAColumnAsLongAsTheSteps) {
  const Json stage = Json::parse(
      PageData({RunWith({{.step = 1, .values = {{"loss", 1}}},
                         {.step = 2, .values = {{"eval", 0.5}}},
                         {.step = 5, .values = {{"loss", 3}}}})}))["runs"][0]["stages"][0];
  EXPECT_EQ(stage["steps"], Json({1, 2, 5}));
  EXPECT_EQ(stage["metrics"]["loss"], Json({1.0, nullptr, 3.0}));
  EXPECT_EQ(stage["metrics"]["eval"], Json({nullptr, 0.5, nullptr}));
}

TEST(PageDataTest, NoTextCanEndItsScriptElementAndAllOfItComesBack) {
  const std::string hostile =
      "</script><!--<script>alert('x')</script> \"q\" & \\ \xe2\x80\xa8 \xe4\xb8\x89";
  ReportedRun run = RunWith({{.step = 1, .values = {{hostile, 1}}}});
  run.metrics.name = run.metrics.stages[0].name = hostile;
  ReportedSample shown;
  Sample& sample = shown.sample;
  sample.set_prompt(hostile);
  sample.set_answer(hostile);
  sample.set_completion(hostile);
  sample.add_token_texts(hostile.substr(0, 5));
  sample.add_token_texts(hostile.substr(5));
  (*sample.mutable_rewards())[hostile] = 1;
  run.samples = {{.stage = hostile, .num_steps = 1, .steps = {{.step = 1, .samples = {shown}}}}};
  const std::string text = PageData({run});
  EXPECT_EQ(text.find_first_of("<>&"), std::string::npos);
  const Json data = Json::parse(text)["runs"][0];
  EXPECT_EQ(data["name"], hostile);
  EXPECT_TRUE(data["stages"][0]["metrics"].contains(hostile));
  const Json& read = data["samples"][0]["steps"][0]["samples"][0];
  EXPECT_EQ(read["prompt"], hostile);
  EXPECT_EQ(read["tokens"][0].get<std::string>() + read["tokens"][1].get<std::string>(), hostile);
}

TEST(PageDataTest, ACompletionIsKeptOnlyWhereItsTokensSaySomethingElse) {
  ReportedSample same, other;
  for (ReportedSample* shown : {&same, &other}) {
    shown->sample.set_completion("ab");
    shown->sample.add_token_texts("a");
  }
  same.sample.add_token_texts("b");
  same.sample.add_token_texts("<end>");
  other.sample.add_token_texts("?");
  ReportedRun run = RunWith({});
  run.samples = {{.stage = "rl", .num_steps = 1, .steps = {{.step = 1, .samples = {same, other}}}}};
  const Json samples = Json::parse(PageData({run}))["runs"][0]["samples"][0]["steps"][0]["samples"];
  EXPECT_FALSE(samples[0].contains("completion"));
  EXPECT_EQ(samples[1]["completion"], "ab");
}

TEST(PageDataTest, LogProbsHaveFourDecimals) {
  ReportedSample shown;
  shown.sample.add_sampler_log_probs(-0.123456F);
  shown.sample.add_sampler_log_probs(std::numeric_limits<float>::quiet_NaN());
  ReportedRun run = RunWith({});
  run.samples = {{.stage = "rl", .num_steps = 1, .steps = {{.step = 1, .samples = {shown}}}}};
  const Json read = Json::parse(PageData({run}))["runs"][0]["samples"][0]["steps"][0]["samples"][0];
  EXPECT_EQ(read["logprobs"], Json({-0.1235, nullptr}));
}

}  // namespace
}  // namespace deduce
