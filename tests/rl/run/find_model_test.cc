#include "rl/run/find_model.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "configs/exit_code.h"
#include "tests/rl/run/tiny_run.h"

namespace deduce {
namespace {

// A run whose stages base and cold have checkpoints, in a folder with another one.
class FindModelTest : public ::testing::Test {
 protected:
  FindModelTest() : run_(root_.file("runs/a")) {
    std::filesystem::create_directories(run_);
    root_.Write("runs/a/config.textproto", ConfigText(TinyRun(run_)));
    for (const int64_t step : {4, 10}) Publish(run_, "base", step);
    Publish(run_, "cold", 2);
  }

  // The path that is found, or the error.
  std::string Find(const std::string& text) {
    log_.str("");
    const absl::StatusOr<std::string> found = FindModel(text, log_);
    if (found.ok()) return *found;
    EXPECT_EQ(ExitCodeOf(found.status()), static_cast<int>(ExitCode::kBadData));
    return std::string(found.status().message());
  }

  RunDirectory root_;
  std::string run_;
  std::ostringstream log_;
};

TEST_F(FindModelTest, AModelsFolderIsTakenAsItIs) {
  for (const char* file : {"config.json", "tokenizer.json"}) {
    const std::string dir = root_.file(std::string("of ") + file);
    std::filesystem::create_directories(dir);
    root_.Write(std::string("of ") + file + "/" + file, "{}");
    EXPECT_EQ(Find(dir), dir);
  }
  EXPECT_EQ(Find(CheckpointDir(run_, "base", 4)), CheckpointDir(run_, "base", 4));
  EXPECT_EQ(Find(root_.file("nothing")), root_.file("nothing"));  // its reader says what is wrong
  EXPECT_EQ(log_.str(), "");
}

TEST_F(FindModelTest, ARunMeansItsNewestCheckpointAndSaysSo) {
  EXPECT_EQ(Find(run_), CheckpointDir(run_, "cold", 2));
  EXPECT_EQ(log_.str(), run_ + ": takes its newest checkpoint, " + CheckpointDir(run_, "cold", 2) +
                            "; it has base/4, base/10, cold/2\n");
}

TEST_F(FindModelTest, ANameInARunMeansThatCheckpoint) {
  EXPECT_EQ(Find(run_ + "#base/4"), CheckpointDir(run_, "base", 4));
  EXPECT_EQ(Find(run_ + "#base"), CheckpointDir(run_, "base", 10));
  EXPECT_EQ(Find(run_ + "#base/5"),
            run_ + ": found no checkpoint base/5, expected one of base/4, base/10, cold/2");
  EXPECT_EQ(Find(run_ + "#base/best"),
            run_ + ": found no checkpoint base/best, expected one of base/4, base/10, cold/2");
  ASSERT_TRUE(LinkBestCheckpoint(CheckpointStageDir(run_, "base"), 4).ok());
  EXPECT_EQ(Find(run_ + "#base/best"), CheckpointDir(run_, "base", 4));
}

TEST_F(FindModelTest, AFolderThatIsNeitherListsWhatIsBelow) {
  EXPECT_EQ(Find(run_ + "/checkpoints"),
            run_ +
                "/checkpoints: found neither a checkpoint nor a Hugging Face folder, expected "
                "one; below it are base/10, base/4, cold/2");
  EXPECT_EQ(Find(run_ + "/checkpoints/base"),
            run_ +
                "/checkpoints/base: found neither a checkpoint nor a Hugging Face folder, "
                "expected one; below it are 10, 4");
}

TEST_F(FindModelTest, ARunWithoutCheckpointsHasNone) {
  std::filesystem::remove_all(run_ + "/checkpoints");
  EXPECT_EQ(Find(run_), run_ + ": found a run without checkpoints, expected at least one");
  EXPECT_EQ(Find(run_ + "#base/4"),
            run_ + ": found no checkpoint base/4, expected one, but the run has none yet");
}

TEST_F(FindModelTest, ATeacherIsFoundOnceAndForAll) {
  RunConfig config;
  config.add_stage()->mutable_distill()->set_teacher(run_);
  config.add_stage()->mutable_sft();
  ASSERT_TRUE(FindTeachers(config, log_).ok());
  EXPECT_EQ(config.stage(0).distill().teacher(), CheckpointDir(run_, "cold", 2));
  EXPECT_FALSE(config.stage(1).has_distill());
}

}  // namespace
}  // namespace deduce
