// Costs as they were measured, stage by stage, in place of modelled ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "configs/validate.h"
#include "tests/trainer/planned_models.h"
#include "trainer/forecast/forecast.h"

namespace deduce {
namespace {

constexpr char kTwoStages[] =
    "layout { pipeline_parallel: 2 } plan { sequence_length: 128 sequences_per_step: 40 "
    "micro_batch_tokens: 2560 cluster { network_latency_seconds: 0.5 network_gb_per_second: 1e9 }";
constexpr char kFirst[] =
    " stage_seconds { forward: 2 backward: 5 input_gradient: 3 weight_gradient: 2 }";
constexpr char kSecond[] =
    " stage_seconds { forward: 3 backward: 7 input_gradient: 4 weight_gradient: 3 }";

RunConfig WithStages(const std::string& stages) {
  return TreeConfig("tiny_r1", {kTwoStages + stages + " }"});
}

TEST(StageSecondsTest, TheyAreTheCostsOfThePlan) {
  const absl::StatusOr<Forecast> plan = MakeForecast(WithStages(std::string(kFirst) + kSecond), 2);
  ASSERT_TRUE(plan.ok()) << plan.status();
  const Timeline& timeline = plan->update.timeline;
  ASSERT_EQ(plan->update.micro_batches, 2);
  // 1F1B: the second rank begins after the first forward and the latency, and never waits again.
  EXPECT_NEAR(timeline.ranks[1].front().begin, 2.5, 1e-6);
  EXPECT_NEAR(timeline.ranks[1].back().end, 2.5 + 2 * (3 + 7), 1e-6);
  EXPECT_NEAR(timeline.makespan, 22.5 + 0.5 + 5, 1e-6);
  // 20 sequences of 128 tokens, each of hidden size 128 in fp32, twice.
  EXPECT_EQ(timeline.bytes_sent[0], 2 * 20 * 128 * 128 * 4);
}

TEST(StageSecondsTest, SharedCoresStretchThem) {
  RunConfig config = WithStages(std::string(kFirst) + kSecond);
  config.mutable_plan()->mutable_cluster()->set_cores(1);
  config.mutable_plan()->mutable_cluster()->set_network_latency_seconds(0);
  const absl::StatusOr<Forecast> plan = MakeForecast(config, 2);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_NEAR(plan->update.timeline.makespan, 2 * (2 + 5 + 3 + 7), 1e-6);
}

TEST(StageSecondsTest, ThereIsOneForEachStage) {
  const absl::StatusOr<Forecast> plan = MakeForecast(WithStages(kFirst), 2);
  EXPECT_EQ(plan.status().message(),
            "plan.stage_seconds: found 1 of them, expected one for each of the 2 stages of the "
            "pipeline");
}

TEST(StageSecondsTest, TheyExcludeACalibration) {
  const RunConfig config =
      WithStages(std::string(kFirst) + kSecond +
                 " calibration { micro_batches: 1 sequence_length: 1 forward_seconds: 1 "
                 "backward_seconds: 1 }");
  EXPECT_EQ(Validate(config).message(),
            "plan.calibration: found a value, expected none beside plan.stage_seconds");
}

}  // namespace
}  // namespace deduce
