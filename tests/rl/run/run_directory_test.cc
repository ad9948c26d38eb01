#include "rl/run/run_directory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "configs/config.h"
#include "configs/exit_code.h"
#include "tests/rl/report/run_directory.h"
#include "trainer/checkpoint/checkpoint_folders.h"

namespace deduce {
namespace {

// Two stages; the second starts from the first.
RunConfig Config(const std::string& run_dir) {
  RunConfig config;
  config.set_name("r");
  config.set_run_dir(run_dir);
  config.set_tokenizer("t.json");
  config.mutable_model()->set_vocab_size(48);
  for (const char* name : {"base", "rl"}) {
    StageConfig& stage = *config.add_stage();
    stage.set_name(name);
    stage.mutable_pretrain();
    stage.set_steps(10);
  }
  return config;
}

void PublishCheckpoint(const std::string& run_dir, const std::string& stage, int64_t step) {
  std::filesystem::create_directories(CheckpointDir(run_dir, stage, step));
}

TEST(RunDirectoryTest, ANewRunsConfigIsWrittenInFull) {
  const RunDirectory root;
  const RunConfig config = Config(root.file("new/run"));
  ASSERT_TRUE(PrepareRunDirectory(config, Resume::kNever).ok());
  EXPECT_EQ(ReadWhole(root.file("new/run/config.textproto")), ConfigText(config));
}

TEST(RunDirectoryTest, TheSameRunMayGoOnWithAnotherLayoutAndCheckpointFrequency) {
  const RunDirectory root;
  RunConfig config = Config(root.file("run"));
  ASSERT_TRUE(PrepareRunDirectory(config, Resume::kAuto).ok());
  config.mutable_layout()->set_expert_parallel(2);
  config.mutable_checkpoint()->set_every_steps(7);
  for (const Resume resume : {Resume::kAuto, Resume::kMust}) {
    const absl::Status status = PrepareRunDirectory(config, resume);
    EXPECT_TRUE(status.ok()) << status;
  }
}

TEST(RunDirectoryTest, EveryRefusalIsABadConfigAndChangesNothing) {
  const RunDirectory root;
  const std::string dir = root.file("run");
  ASSERT_TRUE(PrepareRunDirectory(Config(dir), Resume::kAuto).ok());
  const std::string before = ReadWhole(dir + "/config.textproto");
  const struct {
    std::function<void(RunConfig&)> change;
    Resume resume;
    std::string message;
  } cases[] = {
      {[](RunConfig&) {}, Resume::kNever,
       "run_dir: found a run in " + dir + ", expected none with --resume=never"},
      {[](RunConfig& c) { c.set_seed(2); }, Resume::kAuto,
       "run_dir: found a run in " + dir +
           " whose config differs in seed, expected the same config or another run_dir"},
      {[](RunConfig& c) { c.mutable_stage(1)->mutable_optimizer()->set_beta2(0.9); }, Resume::kMust,
       "run_dir: found a run in " + dir +
           " whose config differs in stage[1].optimizer.beta2, expected the same config or another "
           "run_dir"},
      {[&](RunConfig& c) { c.set_run_dir(dir + "2"); }, Resume::kMust,
       "run_dir: found no run in " + dir + "2, expected one with --resume=must"},
  };
  for (const auto& refused : cases) {
    RunConfig config = Config(dir);
    refused.change(config);
    const absl::Status status = PrepareRunDirectory(config, refused.resume);
    EXPECT_EQ(status.message(), refused.message);
    EXPECT_EQ(ExitCodeOf(status), static_cast<int>(ExitCode::kBadConfig));
    EXPECT_EQ(ReadWhole(dir + "/config.textproto"), before);
    EXPECT_FALSE(std::filesystem::exists(dir + "2"));
  }
}

TEST(RunDirectoryTest, ADamagedConfigIsABadConfigAndStays) {
  const RunDirectory root;
  const std::string path = root.Write("config.textproto", "name: \"r");
  const absl::Status status = PrepareRunDirectory(Config(root.path()), Resume::kAuto);
  EXPECT_EQ(ExitCodeOf(status), static_cast<int>(ExitCode::kBadConfig));
  EXPECT_EQ(std::string(status.message()).rfind(path + ":1:", 0), 0U) << status;
  EXPECT_EQ(ReadWhole(path), "name: \"r");
}

TEST(RunDirectoryTest, AFolderThatCannotBeMadeIsNamed) {
  const RunDirectory root;
  const std::string dir = root.Write("file", "x") + "/run";
  const absl::Status status = PrepareRunDirectory(Config(dir), Resume::kAuto);
  EXPECT_EQ(status.message(),
            "run_dir: found Not a directory for " + dir + ", expected a folder that can be made");
}

TEST(FindProgressTest, EachStageStandsAtItsLastCheckpoint) {
  const RunDirectory root;
  const RunConfig config = Config(root.path());
  for (const int64_t step : {4, 10, 8}) PublishCheckpoint(root.path(), "base", step);
  for (const int64_t step : {2, 6}) PublishCheckpoint(root.path(), "rl", step);
  PublishCheckpoint(root.path(), "another", 9);
  std::filesystem::create_directories(root.file("checkpoints/rl/8.partial"));
  const auto progress = FindProgress(config);
  ASSERT_TRUE(progress.ok()) << progress.status();
  ASSERT_EQ(progress->size(), 2U);
  EXPECT_TRUE((*progress)[0].finished);
  EXPECT_EQ((*progress)[0].last_checkpoint, CheckpointDir(root.path(), "base", 10));
  EXPECT_FALSE((*progress)[1].finished);
  EXPECT_EQ((*progress)[1].last_step, 6);
  EXPECT_EQ((*progress)[1].last_checkpoint, CheckpointDir(root.path(), "rl", 6));
}

TEST(FindProgressTest, ANewRunStandsAtTheBeginning) {
  const RunDirectory root;
  const auto progress = FindProgress(Config(root.path()));
  ASSERT_TRUE(progress.ok()) << progress.status();
  ASSERT_EQ(progress->size(), 2U);
  for (const StageProgress& stage : *progress) {
    EXPECT_EQ(stage.last_checkpoint, "");
    EXPECT_EQ(stage.last_step, 0);
    EXPECT_FALSE(stage.finished);
  }
}

// A run in root/new whose first stage starts from stage `base` of root/old.
class WeightsOfAnotherRunTest : public ::testing::Test {
 protected:
  WeightsOfAnotherRunTest() : config_(Config(root_.file("new"))), old_(Config(root_.file("old"))) {
    config_.mutable_stage(0)->set_init_from(old_.run_dir() + "#base");
  }

  // Makes the other run, as far as `step` of its first stage.
  void RunOther(int64_t step) {
    ASSERT_TRUE(PrepareRunDirectory(old_, Resume::kAuto).ok());
    PublishCheckpoint(old_.run_dir(), "base", step);
  }

  void ExpectError(ExitCode code, const std::string& message) {
    const absl::Status status = WeightsOfAnotherRun(config_, 0).status();
    EXPECT_EQ(ExitCodeOf(status), static_cast<int>(code));
    EXPECT_EQ(status.message(), "stage[0].init_from: found " + message);
  }

  RunDirectory root_;
  RunConfig config_, old_;
};

TEST_F(WeightsOfAnotherRunTest, AreThoseOfTheStagesLastStep) {
  RunOther(10);
  EXPECT_EQ(*WeightsOfAnotherRun(config_, 0), CheckpointDir(old_.run_dir(), "base", 10));
}

TEST_F(WeightsOfAnotherRunTest, WithoutTheRunTheDataIsBad) {
  ExpectError(ExitCode::kBadData, "no run in " + old_.run_dir() + " (" + old_.run_dir() +
                                      "/config.textproto: found no readable text, expected a "
                                      "config file), expected one with stage base");
}

TEST_F(WeightsOfAnotherRunTest, WithoutTheStageTheDataIsBad) {
  RunOther(10);
  config_.mutable_stage(0)->set_init_from(old_.run_dir() + "#bass");
  ExpectError(ExitCode::kBadData, "no stage bass in " + old_.run_dir() + ", expected one");
}

TEST_F(WeightsOfAnotherRunTest, AnUnfinishedStageIsBadData) {
  RunOther(9);
  ExpectError(ExitCode::kBadData, "no " + CheckpointDir(old_.run_dir(), "base", 10) +
                                      ", expected stage base to be finished there");
}

TEST_F(WeightsOfAnotherRunTest, AnotherModelIsABadConfig) {
  old_.mutable_model()->set_hidden_size(7);
  RunOther(10);
  ExpectError(ExitCode::kBadConfig, "a run in " + old_.run_dir() +
                                        " that differs in model.hidden_size, expected one of the "
                                        "same model");
}

}  // namespace
}  // namespace deduce
