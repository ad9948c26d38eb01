#include "rl/run/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "configs/exit_code.h"
#include "rl/run/find_model.h"
#include "tests/rl/run/tiny_run.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::vector<std::vector<Artifact>> kNoInputs(3);

// Opens, makes `config` the run's, and closes.
absl::Status GoOn(const RunConfig& config, Resume resume = Resume::kAuto,
                  const std::vector<std::vector<Artifact>>& inputs = kNoInputs) {
  absl::StatusOr<deduce::Run> run =
      deduce::Run::Open(config.run_dir(), deduce::Run::Access::kWrite, resume);
  return run.ok() ? run->GoOn(config, inputs) : run.status();
}

// Every file below a folder, with its contents.
std::string Snapshot(const std::string& dir) {
  std::string all;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir)) {
    all += entry.path().string() + "\n";
    if (entry.is_regular_file()) all += ReadWhole(entry.path());
  }
  return all;
}

TEST(RunTest, ANewRunsConfigIsWrittenInFull) {
  const RunDirectory root;
  const RunConfig config = TinyRun(root.file("new/run"));
  ASSERT_TRUE(GoOn(config, Resume::kNever).ok());
  EXPECT_EQ(ReadWhole(root.file("new/run/config.textproto")), ConfigText(config));
  EXPECT_FALSE(std::filesystem::exists(root.file("new/run/changes.jsonl")));
  EXPECT_FALSE(std::filesystem::exists(root.file("new/run/lock")));
}

TEST(RunTest, IsLockedWhileItIsOpenToWrite) {
  const RunDirectory root;
  const absl::StatusOr<deduce::Run> run =
      deduce::Run::Open(root.path(), deduce::Run::Access::kWrite);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_TRUE(WriterOf(root.path()).has_value());
  const absl::Status second = deduce::Run::Open(root.path(), deduce::Run::Access::kWrite).status();
  EXPECT_THAT(std::string(second.message()), StartsWith("run_dir: found process "));
  EXPECT_EQ(ExitCodeOf(second), static_cast<int>(ExitCode::kBadConfig));
}

TEST(RunTest, ReadingChangesNothing) {
  const RunDirectory root;
  const RunConfig config = TinyRun(root.path());
  ASSERT_TRUE(GoOn(config).ok());
  Publish(root.path(), "base", 10);
  std::filesystem::create_directories(root.file("checkpoints/base/4.removed"));
  const std::string before = Snapshot(root.path());
  const absl::StatusOr<deduce::Run> writer =
      deduce::Run::Open(root.path(), deduce::Run::Access::kWrite);
  const absl::StatusOr<deduce::Run> run =
      deduce::Run::Open(root.path(), deduce::Run::Access::kRead);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(ConfigText(run->config()), ConfigText(config));
  EXPECT_EQ((*run->Stages())[0].step, 10);
  EXPECT_TRUE(WriterOf(root.path()).has_value());
  std::filesystem::remove(root.file("lock"));  // the writer's
  EXPECT_EQ(Snapshot(root.path()), before);
}

TEST(RunTest, ReadingNeedsARun) {
  const RunDirectory root;
  const absl::Status status = deduce::Run::Open(root.path(), deduce::Run::Access::kRead).status();
  EXPECT_EQ(status.message(),
            root.file("config.textproto") + ": found nothing, expected the config of a run");
  EXPECT_EQ(ExitCodeOf(status), static_cast<int>(ExitCode::kBadData));
}

TEST(RunTest, EveryRefusalIsABadConfigAndChangesNothing) {
  const RunDirectory root;
  const std::string dir = root.file("run");
  ASSERT_TRUE(GoOn(TinyRun(dir)).ok());
  Publish(dir, "base", 10);
  std::filesystem::create_directories(dir + "/checkpoints/base/4.removed");
  const std::string before = Snapshot(dir);
  RunConfig other_seed = TinyRun(dir), elsewhere = TinyRun(dir + "2");
  other_seed.set_seed(2);
  const struct {
    RunConfig config;
    Resume resume;
    std::string message;
  } cases[] = {
      {TinyRun(dir), Resume::kNever,
       "run_dir: found a run in " + dir + ", expected none with --resume=never"},
      {other_seed, Resume::kAuto,
       "seed: found 2, expected 1, with which the run in run_dir was made; a stage with "
       "init_from: \"" +
           dir + "#base\" in another run_dir starts from its weights"},
      {elsewhere, Resume::kMust,
       "run_dir: found no run in " + dir + "2, expected one with --resume=must"},
  };
  for (const auto& refused : cases) {
    const absl::Status status = GoOn(refused.config, refused.resume);
    EXPECT_EQ(status.message(), refused.message);
    EXPECT_EQ(ExitCodeOf(status), static_cast<int>(ExitCode::kBadConfig));
    EXPECT_EQ(Snapshot(dir), before);
    EXPECT_FALSE(std::filesystem::exists(dir + "2"));
  }
}

TEST(RunTest, OtherInputsAreBadDataAndChangeNothing) {
  const RunDirectory root;
  const RunConfig config = TinyRun(root.path());
  ASSERT_TRUE(GoOn(config).ok());
  Publish(root.path(), "base", 4, "h",
          {{"inputs", ToJson({{ArtifactType::kDataSet, "d.jsonl", "1"}})}});
  const std::string before = Snapshot(root.path());
  const absl::Status status =
      GoOn(config, Resume::kAuto, {{{ArtifactType::kDataSet, "d.jsonl", "2"}}, {}, {}});
  EXPECT_THAT(std::string(status.message()), StartsWith("d.jsonl: found content of hash 2"));
  EXPECT_EQ(ExitCodeOf(status), static_cast<int>(ExitCode::kBadData));
  EXPECT_EQ(Snapshot(root.path()), before);
}

TEST(RunTest, AChangeIsRecordedWithTheStepFromWhichItHolds) {
  const RunDirectory root;
  RunConfig config = TinyRun(root.path());
  ASSERT_TRUE(GoOn(config).ok());
  Publish(root.path(), "base", 10);
  Publish(root.path(), "cold", 4);
  config.mutable_stage(1)->mutable_optimizer()->set_learning_rate(0.5);
  config.mutable_stage(1)->set_steps(20);
  ASSERT_TRUE(GoOn(config).ok());
  EXPECT_EQ(ReadWhole(root.file("changes.jsonl")),
            R"({"stage":"cold","step":4,"field":"stage[1].steps","from":"10","to":"20"})"
            "\n"
            R"({"stage":"cold","step":4,"field":"stage[1].optimizer.learning_rate",)"
            R"("from":"0.0001","to":"0.5"})"
            "\n");
  EXPECT_EQ(ReadWhole(root.file("config.textproto")), ConfigText(config));
  const std::string before = Snapshot(root.path());
  ASSERT_TRUE(GoOn(config).ok());
  EXPECT_EQ(Snapshot(root.path()), before);
}

TEST(RunTest, GoingBackMovesWhatCameAfterAndIsRecorded) {
  const RunDirectory root;
  const RunConfig config = TinyRun(root.path());
  ASSERT_TRUE(GoOn(config).ok());
  const nlohmann::json best = {{"best", {{"metric", "m"}, {"step", 4}, {"value", 1}}}};
  Publish(root.path(), "base", 4, "h", best);
  Publish(root.path(), "base", 8);
  Publish(root.path(), "base", 10);
  Publish(root.path(), "cold", 2);
  root.Write("metrics.jsonl", "all lines\n");
  absl::StatusOr<deduce::Run> run =
      deduce::Run::Open(root.path(), deduce::Run::Access::kWrite, Resume::kMust);
  ASSERT_TRUE(run.ok()) << run.status();
  // The stage is not over any more, so its rate may change.
  RunConfig other = config;
  other.mutable_stage(0)->mutable_optimizer()->set_learning_rate(0.5);
  ASSERT_TRUE(run->GoOn(other, kNoInputs, CheckpointEntry{"base", 4, ""}).ok());
  EXPECT_EQ(CheckpointNames(*ListCheckpoints(root.path())), "base/4");
  EXPECT_EQ(CheckpointNames(*ListCheckpoints(root.file("rewound/1"))), "base/8, base/10, cold/2");
  EXPECT_EQ(ReadWhole(root.file("rewound/1/metrics.jsonl")), "all lines\n");
  EXPECT_EQ(ReadWhole(root.file("rewound/1/config.textproto")), ConfigText(config));
  EXPECT_EQ(std::filesystem::read_symlink(root.file("checkpoints/base/best")), "4");
  EXPECT_EQ(ReadWhole(root.file("changes.jsonl")),
            R"({"stage":"base","step":4,"field":"stage[0].optimizer.learning_rate",)"
            R"("from":"0.0001","to":"0.5"})"
            "\n"
            R"({"stage":"base","step":4,"field":"resume_from","from":"cold/2","to":"base/4"})"
            "\n");
}

TEST(RunTest, WhatKilledRunsLeftIsRemovedFromEveryStage) {
  const RunDirectory root;
  const RunConfig config = TinyRun(root.path());
  ASSERT_TRUE(GoOn(config).ok());
  for (const char* name : {"base/4.removed", "base/6.partial", "rl/2.removed"})
    std::filesystem::create_directories(root.file(std::string("checkpoints/") + name));
  ASSERT_TRUE(GoOn(config).ok());
  EXPECT_TRUE(std::filesystem::is_empty(root.file("checkpoints/base")));
  EXPECT_TRUE(std::filesystem::is_empty(root.file("checkpoints/rl")));
}

TEST(RunTest, ADamagedConfigIsABadConfigAndStays) {
  const RunDirectory root;
  const std::string path = root.Write("config.textproto", "name: \"r");
  const absl::Status status = GoOn(TinyRun(root.path()));
  EXPECT_EQ(ExitCodeOf(status), static_cast<int>(ExitCode::kBadConfig));
  EXPECT_THAT(std::string(status.message()), StartsWith(path + ":1:"));
  EXPECT_EQ(ReadWhole(path), "name: \"r");
}

TEST(RunTest, AFolderThatCannotBeMadeIsABadConfig) {
  const RunDirectory root;
  const std::string dir = root.Write("file", "x") + "/run";
  const absl::Status status = GoOn(TinyRun(dir));
  EXPECT_EQ(status.message(),
            "run_dir: found Not a directory for " + dir + ", expected a folder that can be made");
  EXPECT_EQ(ExitCodeOf(status), static_cast<int>(ExitCode::kBadConfig));
}

TEST(RunTest, AnotherHeldOutFileOfAStageUnderWayIsAChange) {
  const RunDirectory root;
  const RunConfig config = TinyRun(root.path());
  ASSERT_TRUE(GoOn(config).ok());
  const nlohmann::json saved = {{"inputs", ToJson({{ArtifactType::kEvaluation, "h.jsonl", "1"}})}};
  Publish(root.path(), "base", 10, "h", saved);
  Publish(root.path(), "cold", 4, "h", saved);
  const std::vector<Artifact> now = {{ArtifactType::kEvaluation, "h.jsonl", "2"}};
  ASSERT_TRUE(GoOn(config, Resume::kAuto, {now, now, now}).ok());
  EXPECT_EQ(ReadWhole(root.file("changes.jsonl")),
            R"x({"stage":"cold","step":4,"field":"stage[1].evaluate.path (its content)",)x"
            R"x("from":"1","to":"2"})x"
            "\n");
}

}  // namespace
}  // namespace deduce
