// Layouts and schedules against one rank, bit by bit, with ranks as threads; every night as
// processes too, and with the suites called Nightly, whose layouts others contain or are near.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/testing/rank_group.h"
#include "tests/trainer/pipeline_layouts.h"

namespace deduce {
namespace {

// Of ten steps. The hash of the weights holds all gradients to their bits; so does their norm at
// each step.
struct Outcome {
  std::string hash;
  std::vector<double> losses, norms, loads;
  bool operator==(const Outcome&) const = default;
};

Outcome Train(Communicator& world, const std::string& layout, const ModelConfig& model) {
  StageConfig stage = TinyChunkTrainer();
  stage.set_steps(10);
  TinyTraining training(world, LayoutOf(layout), model);
  Outcome outcome;
  for (int64_t step = 0; step < stage.steps(); ++step) {
    const StepStats stats = training.Step(stage, step);
    for (const double loss : {stats.Loss(), stats.Loss("mtp_loss"), stats.Loss("balance_loss")})
      outcome.losses.push_back(loss);
    outcome.norms.push_back(stats.grad_norm);
    outcome.loads.push_back(stats.max_over_mean_load);
  }
  outcome.hash = training.Hash();
  return outcome;
}

// Trained once in each process.
const Outcome& OnOneRank(const ModelConfig& model) {
  static auto& known = *new std::map<std::string, Outcome>;
  const auto [found, is_new] = known.try_emplace(model.SerializeAsString());
  if (is_new) {
    const auto self = MakeOneMemberCommunicator();
    found->second = Train(*self, "", model);
  }
  return found->second;
}

void ExpectBitsOfOneRank(int num_ranks, const std::string& layout, const ModelConfig& model) {
  const Outcome& expected = OnOneRank(model);
  RunRanks(num_ranks, [&](Communicator& world) {
    EXPECT_EQ(Train(world, layout, model), expected) << layout << " on rank " << world.rank();
  });
}

std::string WithSchedule(const std::string& layout, const std::string& schedule) {
  return layout + " schedule: \"" + schedule + "\"";
}

class ScheduleMatrixTest : public testing::TestWithParam<std::string> {};
class NightlyScheduleMatrixTest : public ScheduleMatrixTest {};

TEST_P(NightlyScheduleMatrixTest, TwoStagesRouted) {
  ExpectBitsOfOneRank(2, WithSchedule("pipeline_parallel: 2", GetParam()), DeepRoutedModel());
}

TEST_P(NightlyScheduleMatrixTest, TwoStagesTied) {
  ExpectBitsOfOneRank(2, WithSchedule("pipeline_parallel: 2", GetParam()), DeepTiedModel());
}

TEST_P(ScheduleMatrixTest, FourStagesRouted) {
  ExpectBitsOfOneRank(4, WithSchedule("pipeline_parallel: 4", GetParam()), DeepRoutedModel());
}

TEST_P(NightlyScheduleMatrixTest, FourStagesTied) {
  ExpectBitsOfOneRank(4, WithSchedule("pipeline_parallel: 4", GetParam()), DeepTiedModel());
}

TEST_P(ScheduleMatrixTest, TwoStagesTwoExpertRanks) {
  ExpectBitsOfOneRank(4, WithSchedule("pipeline_parallel: 2 expert_parallel: 2", GetParam()),
                      DeepRoutedModel());
}

TEST_P(ScheduleMatrixTest, TwoStagesTwoDataRanksTied) {
  ExpectBitsOfOneRank(4, WithSchedule("pipeline_parallel: 2", GetParam()), DeepTiedModel());
}

TEST_P(NightlyScheduleMatrixTest, TwoStagesTwoDataRanksUnshardedOptimizer) {
  ExpectBitsOfOneRank(4, WithSchedule("pipeline_parallel: 2 zero_stage: 0", GetParam()),
                      DeepRoutedModel());
}

TEST_P(NightlyScheduleMatrixTest, EightRanksTwoStagesTwoDataRanksTwoExpertRanks) {
  ExpectBitsOfOneRank(8, WithSchedule("pipeline_parallel: 2 expert_parallel: 2", GetParam()),
                      DeepRoutedModel());
}

const auto kSchedules =
    testing::Values("gpipe", "1f1b", "interleaved_1f1b", "zb_h1", "zbv", "dualpipe", "dualpipev");

std::string TestName(const testing::TestParamInfo<std::string>& schedule) {
  return schedule.param == "1f1b" ? "one_f_one_b" : schedule.param;
}

INSTANTIATE_TEST_SUITE_P(Schedules, ScheduleMatrixTest, kSchedules, TestName);
INSTANTIATE_TEST_SUITE_P(Schedules, NightlyScheduleMatrixTest, kSchedules, TestName);

TEST(LayoutMatrixTest, TwoDataRanks) {
  ExpectBitsOfOneRank(2, "", DeepRoutedModel());
  ExpectBitsOfOneRank(2, "zero_stage: 0", DeepRoutedModel());
  ExpectBitsOfOneRank(2, "", DeepTiedModel());
}

TEST(LayoutMatrixTest, TwoExpertRanks) {
  ExpectBitsOfOneRank(2, "expert_parallel: 2", DeepRoutedModel());
}

TEST(LayoutMatrixTest, ExpertsPlacedByLoad) {
  const std::string placed = "expert_parallel: 2 rebalance_every: 3 redundant_experts: 2";
  ExpectBitsOfOneRank(2, placed, DeepRoutedModel());
  ExpectBitsOfOneRank(4, placed, DeepRoutedModel());
  for (const char* schedule : {"1f1b", "zbv", "dualpipe"})
    ExpectBitsOfOneRank(4, WithSchedule(placed + " pipeline_parallel: 2", schedule),
                        DeepRoutedModel());
}

TEST(LayoutMatrixTest, RecomputedActivations) {
  ExpectBitsOfOneRank(2, "pipeline_parallel: 2 recompute: full", DeepRoutedModel());
  ExpectBitsOfOneRank(4,
                      "pipeline_parallel: 2 expert_parallel: 2 schedule: \"zbv\" recompute: full",
                      DeepRoutedModel());
}

TEST(LayoutMatrixTest, ChunksWithoutAPipeline) {
  for (const char* schedule : {"1f1b", "gpipe"}) {
    const std::string layout = WithSchedule("virtual_stages: 4 recompute: full", schedule);
    ExpectBitsOfOneRank(1, layout, DeepRoutedModel());
    ExpectBitsOfOneRank(2, layout, DeepTiedModel());
  }
}

TEST(LayoutMatrixTest, ShardedWeights) {
  ExpectBitsOfOneRank(1, "zero_stage: 3", DeepRoutedModel());
  ExpectBitsOfOneRank(2, "zero_stage: 3 virtual_stages: 4 recompute: full", DeepRoutedModel());
  ExpectBitsOfOneRank(4, "zero_stage: 3 virtual_stages: 4 expert_parallel: 2", DeepRoutedModel());
  ExpectBitsOfOneRank(
      4,
      "zero_stage: 3 pipeline_parallel: 2 virtual_stages: 2 recompute: selective schedule: 'gpipe'",
      DeepTiedModel());
}

TEST(LayoutMatrixTest, ShardedWeightsInAPipeline) {
  for (const char* schedule : {"gpipe", "1f1b", "interleaved_1f1b", "zb_h1", "zbv", "dualpipev"}) {
    const std::string layout = WithSchedule("zero_stage: 3 pipeline_parallel: 2", schedule);
    ExpectBitsOfOneRank(4, layout, DeepTiedModel());
    ExpectBitsOfOneRank(4, layout + " expert_parallel: 2", DeepRoutedModel());
  }
}

TEST(LayoutMatrixTest, RecomputedAttention) {
  for (const char* schedule : {"1f1b", "zbv"}) {
    const std::string layout = WithSchedule("pipeline_parallel: 2 recompute: selective", schedule);
    ExpectBitsOfOneRank(4, layout + " expert_parallel: 2", DeepRoutedModel());
    ExpectBitsOfOneRank(2, layout, DeepTiedModel());
  }
}

TEST(LayoutMatrixTest, UnevenStages) {
  const std::string ends =
      "pipeline_parallel: 4 stage_layers: 0 stage_layers: 5 stage_layers: 3 stage_layers: 0";
  ExpectBitsOfOneRank(4, ends, DeepRoutedModel());
  ExpectBitsOfOneRank(4, ends, DeepTiedModel());
}

}  // namespace
}  // namespace deduce
