#include "rl/run/stage_graph.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "configs/exit_code.h"
#include "tests/rl/run/tiny_run.h"

namespace deduce {
namespace {

class StageGraphTest : public ::testing::Test {
 protected:
  StageGraphTest() : config_(TinyRun(root_.path())) {}

  std::vector<StageNode> Read() {
    absl::StatusOr<std::vector<StageNode>> nodes = ReadStageGraph(config_, root_.path());
    EXPECT_TRUE(nodes.ok()) << nodes.status();
    return nodes.ok() ? *nodes : std::vector<StageNode>(3);
  }

  std::string States() {
    std::string states;
    for (const StageNode& node : Read()) states += StateName(node.state) + " ";
    return states;
  }

  std::string HistoryError() {
    const absl::Status status = CheckHistory(config_, root_.path(), Read());
    if (!status.ok()) {
      EXPECT_EQ(ExitCodeOf(status), static_cast<int>(ExitCode::kBadData));
    }
    return std::string(status.message());
  }

  RunDirectory root_;
  RunConfig config_;
};

TEST_F(StageGraphTest, ANewRunWaits) {
  EXPECT_EQ(States(), "waiting waiting waiting ");
  EXPECT_EQ(Read()[0].checkpoint, "");
  EXPECT_EQ(HistoryError(), "");
}

TEST_F(StageGraphTest, AStageIsFinishedWhenTheCheckpointOfItsLastStepIsThere) {
  Publish(root_.path(), "base", 4);
  Publish(root_.path(), "base", 10, "last");
  Publish(root_.path(), "cold", 6);
  Publish(root_.path(), "another", 9);
  std::filesystem::create_directories(root_.file("checkpoints/cold/8.partial"));
  EXPECT_EQ(States(), "finished begun waiting ");
  const std::vector<StageNode> nodes = Read();
  EXPECT_EQ(nodes[0].output.name, "base");
  EXPECT_EQ(nodes[0].output.hash, "last");
  EXPECT_EQ(nodes[1].checkpoint, CheckpointDir(root_.path(), "cold", 6));
  EXPECT_EQ(nodes[1].step, 6);
  EXPECT_EQ(nodes[1].output.hash, "");
}

TEST_F(StageGraphTest, ADamagedCheckpointIsNoArtifact) {
  Publish(root_.path(), "base", 10);
  const std::string manifest = root_.file("checkpoints/base/10/manifest.json");
  std::ofstream(manifest) << "{}";
  const absl::Status status = ReadStageGraph(config_, root_.path()).status();
  EXPECT_EQ(ExitCodeOf(status), static_cast<int>(ExitCode::kBadData));
  EXPECT_TRUE(status.message().substr(0, manifest.size()) == manifest) << status;
}

// Its owner removed what later stages no longer need.
TEST_F(StageGraphTest, AStageThatOthersWentOnFromIsNotTrainedAgain) {
  Publish(root_.path(), "cold", 10);
  EXPECT_EQ(States(), "gone finished waiting ");
  EXPECT_EQ(HistoryError(), "");
  std::filesystem::remove_all(root_.file("checkpoints"));
  Publish(root_.path(), "rl", 2);
  EXPECT_EQ(States(), "gone gone begun ");
  EXPECT_EQ(HistoryError(), "");
}

TEST_F(StageGraphTest, AStageThatNobodyStartedFromIsNotTrainedBehindLaterOnes) {
  config_.mutable_stage(2)->set_init_from("base");
  Publish(root_.path(), "base", 10);
  Publish(root_.path(), "rl", 2);
  EXPECT_EQ(States(), "finished waiting begun ");
  EXPECT_EQ(HistoryError(),
            CheckpointDir(root_.path(), "cold", 10) +
                ": found nothing, though stage rl, which comes after, has begun; expected the "
                "checkpoint, or none of later stages");
}

TEST_F(StageGraphTest, AStageKnowsTheWeightsItStartedFrom) {
  const nlohmann::json inputs = {
      {"inputs", {{{"type", "weights"}, {"name", "base"}, {"hash", "first"}}}}};
  Publish(root_.path(), "base", 10, "first");
  Publish(root_.path(), "cold", 2, "x", inputs);
  EXPECT_EQ(HistoryError(), "");
  std::filesystem::remove_all(root_.file("checkpoints/base"));
  Publish(root_.path(), "base", 10, "other");
  EXPECT_EQ(HistoryError(), CheckpointDir(root_.path(), "base", 10) +
                                ": found weights other, expected first, which " +
                                CheckpointDir(root_.path(), "cold", 2) + " started from");
}

TEST_F(StageGraphTest, WhatComesAfterAPointIsLeftOut) {
  for (const int64_t step : {4, 8, 10}) Publish(root_.path(), "base", step);
  Publish(root_.path(), "cold", 2);
  const auto nodes = ReadStageGraph(config_, root_.path(), CheckpointEntry{"base", 8, ""});
  ASSERT_TRUE(nodes.ok()) << nodes.status();
  EXPECT_EQ((*nodes)[0].state, StageNode::State::kBegun);
  EXPECT_EQ((*nodes)[0].step, 8);
  EXPECT_EQ((*nodes)[1].state, StageNode::State::kWaiting);
}

TEST_F(StageGraphTest, InsideAStageWeightsAloneAreNotEnough) {
  Publish(root_.path(), "base", 10, "h", {{"only_model", true}});
  EXPECT_EQ(HistoryError(), "");
  Publish(root_.path(), "cold", 4, "h", {{"only_model", true}});
  const std::string path = CheckpointDir(root_.path(), "cold", 4);
  EXPECT_EQ(HistoryError(),
            path +
                ": found weights alone (checkpoint.save_only_model), expected the optimizer's "
                "state to go on inside stage cold; a stage of a new run can start from them "
                "with init_from: \"" +
                path + "\"");
}

TEST_F(StageGraphTest, MetricsEndAtTheNewestCheckpoint) {
  EXPECT_EQ(MetricsOffset(Read()), 0);
  Publish(root_.path(), "base", 10, "h", {{"metrics_offset", 100}});
  Publish(root_.path(), "cold", 2, "h", {{"metrics_offset", 150}});
  EXPECT_EQ(MetricsOffset(Read()), 150);
}

}  // namespace
}  // namespace deduce
