#include "rl/algorithm/rollout_source.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "data/records/sample_table.h"
#include "rl/algorithm/grpo.h"
#include "tests/rl/report/run_directory.h"
#include "tests/rl/tiny_rollouts.h"
#include "tests/testing/rank_group.h"

namespace deduce {
namespace {

constexpr int64_t kSteps = 2;

StageConfig Stage() {
  StageConfig stage = TinyGrpoStage();
  stage.mutable_grpo()->set_num_mini_batches(2);
  return stage;
}

// Hashes of the weights after each of two steps. What was trained on goes to `record_to`, if it is
// named.
std::vector<std::string> Train(Communicator& world, const Grpo& grpo,
                               const std::string& record_to = "") {
  TinyTraining policy(world, world.size(), true), reference(world, world.size(), true);
  std::vector<std::string> hashes;
  for (int64_t step = 0; step < kSteps; ++step) {
    const absl::StatusOr<GrpoResult> result =
        grpo.Step(*policy.state, &*reference.model, step, StepOptionsOf(Stage(), step));
    EXPECT_TRUE(result.ok()) << result.status();
    if (!record_to.empty()) {
      const std::string path = record_to + "/" + std::to_string(step + 1) + ".jsonl";
      EXPECT_TRUE(WriteSampleTable(path, result->samples).ok());
    }
    hashes.push_back(policy.Hash());
  }
  return hashes;
}

TEST(RolloutSourceTest, ReplayedStepsGiveTheWeightsOfTheRecordedOnesOnAnyRanks) {
  const RunDirectory run;
  const std::string folder = run.file("rollouts/rl");
  const auto self = MakeOneMemberCommunicator();
  const absl::StatusOr<Grpo> grpo = Grpo::Create(Stage(), 5, TinyTokenizer(), "stage[0]");
  ASSERT_TRUE(grpo.ok()) << grpo.status();
  const std::vector<std::string> recorded = Train(*self, *grpo, folder);
  EXPECT_NE(recorded[0], recorded[1]);
  for (const int num_ranks : {1, 2}) {
    RunRanks(num_ranks, [&](Communicator& world) {
      const Grpo replay(Stage(), 5, std::make_shared<ReplayedRollouts>(folder));
      EXPECT_EQ(Train(world, replay), recorded) << num_ranks << " ranks";
    });
  }
}

TEST(RolloutSourceTest, TablesAreTakenInTheOrderTheyWereAskedFor) {
  RunRanks(1, [](Communicator& world) {
    TinyTraining policy(world, 1, true);
    const auto source = SynchronousRollouts::Create(Stage(), 5, TinyTokenizer(), "stage[0]");
    ASSERT_TRUE(source.ok()) << source.status();
    for (const int64_t step : {4, 5})
      ASSERT_TRUE((*source)->Start(*policy.model, step, /*version=*/step + 100).ok());
    for (const int64_t step : {4, 5}) {
      const absl::StatusOr<SampleTable> table = (*source)->Take();
      ASSERT_TRUE(table.ok()) << table.status();
      ASSERT_EQ(table->sample_size(), 8);
      for (const Sample& sample : table->sample()) {
        EXPECT_EQ(sample.step(), step + 1);
        EXPECT_EQ(sample.policy_version(), step + 100);
        EXPECT_EQ(sample.prompt_id(), static_cast<uint64_t>(step) * 2 + sample.group());
      }
    }
    EXPECT_THROW((void)(*source)->Take(), c10::Error);
  });
}

TEST(RolloutSourceTest, ATableOfAnotherStepIsRefusedByAllRanks) {
  const RunDirectory run;
  const std::string folder = run.file("rollouts");
  const auto self = MakeOneMemberCommunicator();
  const absl::StatusOr<Grpo> grpo = Grpo::Create(Stage(), 5, TinyTokenizer(), "stage[0]");
  ASSERT_TRUE(grpo.ok()) << grpo.status();
  Train(*self, *grpo, folder);
  std::filesystem::copy_file(folder + "/2.jsonl", folder + "/3.jsonl");
  RunRanks(2, [&](Communicator& world) {
    TinyTraining policy(world, 2, true);
    ReplayedRollouts replay(folder);
    EXPECT_EQ(replay.Start(*policy.model, 2, 0).message(),
              folder + "/3.jsonl:1: found step 2, expected 3");
    EXPECT_EQ(replay.Start(*policy.model, 3, 0).code(), absl::StatusCode::kNotFound);
  });
}

TEST(RolloutSourceTest, BadSettingsAreFoundBeforeAnyWorkWithTheirPaths) {
  StageConfig no_verifier = Stage();
  no_verifier.mutable_grpo()->mutable_reward(0)->set_verifier("taste");
  const absl::Status status =
      SynchronousRollouts::Create(no_verifier, 5, TinyTokenizer(), "stage[1]").status();
  EXPECT_EQ(std::string(status.message()).rfind("stage[1].grpo.reward[0].verifier: found", 0), 0U)
      << status;
}

}  // namespace
}  // namespace deduce
