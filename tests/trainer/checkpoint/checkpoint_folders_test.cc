#include "trainer/checkpoint/checkpoint_folders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/trainer/scratch_dir.h"

namespace deduce {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

std::vector<std::string> Listed(const std::string& run_dir) {
  std::vector<std::string> found;
  const auto checkpoints = ListCheckpoints(run_dir);
  EXPECT_TRUE(checkpoints.ok()) << checkpoints.status();
  for (const auto& entry : *checkpoints) {
    EXPECT_EQ(entry.path, CheckpointDir(run_dir, entry.stage, entry.step));
    found.push_back(entry.stage + "/" + std::to_string(entry.step));
  }
  return found;
}

void Make(const ScratchDir& run, const std::string& checkpoint) {
  fs::create_directories(run / ("checkpoints/" + checkpoint));
  Spill(run / ("checkpoints/" + checkpoint + "/manifest.json"), "{}");
}

TEST(CheckpointFoldersTest, OnlyPublishedOnesAreListedInOrderOfSteps) {
  const ScratchDir run;
  EXPECT_TRUE(Listed(run.path()).empty());
  for (const char* name : {"rl/100", "rl/20", "rl/3", "rl/30.partial", "rl/1.removed", "rl/x",
                           "rl/007", "rl/-1", "base/5"}) {
    Make(run, name);
  }
  Spill(run / "checkpoints/rl/8", "a file");
  EXPECT_THAT(Listed(run.path()), ElementsAre("base/5", "rl/3", "rl/20", "rl/100"));
}

TEST(CheckpointFoldersTest, OldOnesAreRemovedExceptTheLastAndTheChosen) {
  const ScratchDir run;
  for (const char* name : {"rl/1", "rl/2", "rl/3", "rl/10", "rl/20", "base/5"}) Make(run, name);
  ASSERT_TRUE(RemoveOldCheckpoints(CheckpointStageDir(run.path(), "rl"), 2, {2, 99}).ok());
  EXPECT_THAT(Listed(run.path()), ElementsAre("base/5", "rl/2", "rl/10", "rl/20"));
}

TEST(CheckpointFoldersTest, TheLastOneIsNeverRemoved) {
  const ScratchDir run;
  for (const char* name : {"rl/1", "rl/2"}) Make(run, name);
  ASSERT_TRUE(RemoveOldCheckpoints(CheckpointStageDir(run.path(), "rl"), 0, {}).ok());
  EXPECT_THAT(Listed(run.path()), ElementsAre("rl/2"));
}

TEST(CheckpointFoldersTest, TheLinkToTheBestFollowsItAndGoesWithIt) {
  const ScratchDir run;
  for (const char* name : {"rl/10", "rl/20"}) Make(run, name);
  const std::string stage = CheckpointStageDir(run.path(), "rl"), link = stage + "/best";
  for (const int64_t step : {10, 20, 20}) {
    ASSERT_TRUE(LinkBestCheckpoint(stage, step).ok());
    EXPECT_EQ(fs::read_symlink(link), std::to_string(step));
    EXPECT_TRUE(fs::exists(link + "/manifest.json"));
  }
  EXPECT_THAT(Listed(run.path()), ElementsAre("rl/10", "rl/20"));
  ASSERT_TRUE(LinkBestCheckpoint(stage, 30).ok());
  EXPECT_FALSE(fs::exists(fs::symlink_status(link)));
  ASSERT_TRUE(LinkBestCheckpoint(stage, std::nullopt).ok());
  ASSERT_TRUE(LinkBestCheckpoint(stage + "/none", std::nullopt).ok());
}

// As copies of a run directory may have it.
TEST(CheckpointFoldersTest, AFolderInTheLinksPlaceIsReplaced) {
  const ScratchDir run;
  for (const char* name : {"rl/10", "rl/best"}) Make(run, name);
  const std::string stage = CheckpointStageDir(run.path(), "rl");
  ASSERT_TRUE(LinkBestCheckpoint(stage, 10).ok());
  EXPECT_EQ(fs::read_symlink(stage + "/best"), "10");
}

TEST(CheckpointFoldersTest, WhatKilledRunsLeftIsSwept) {
  const ScratchDir run;
  for (const char* name : {"rl/1", "rl/2.partial", "rl/0.removed"}) Make(run, name);
  ASSERT_TRUE(RemoveOldCheckpoints(CheckpointStageDir(run.path(), "rl"), 2, {}).ok());
  EXPECT_FALSE(fs::exists(run / "checkpoints/rl/2.partial"));
  EXPECT_FALSE(fs::exists(run / "checkpoints/rl/0.removed"));
  EXPECT_THAT(Listed(run.path()), ElementsAre("rl/1"));
}

}  // namespace
}  // namespace deduce
