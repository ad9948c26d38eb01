#include "rl/commands/inspect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "parallel/communicator/thread_communicator.h"
#include "rl/run/run.h"
#include "tests/rl/run/tiny_run.h"
#include "tests/trainer/random_layout.h"
#include "tests/trainer/scratch_dir.h"

namespace deduce {
namespace {

class InspectTest : public ::testing::Test {
 protected:
  InspectTest() {
    const auto by_rank = RandomLayout(RandomTensors(1), 2, 3);
    RunThreadRanks(2, [&](Communicator& world) {
      EXPECT_TRUE(SaveCheckpoint(world, dir_ / "c", by_rank[world.rank()],
                                 R"({"stage":"rl","step":7,"extra":1})", {{"config", "x"}})
                      .ok());
    });
  }
  ScratchDir dir_;
};

TEST_F(InspectTest, PrintsASummaryAndOneLineATensor) {
  std::ostringstream out;
  ASSERT_TRUE(Inspect(dir_ / "c", true, out).ok());
  std::istringstream lines(out.str());
  std::vector<nlohmann::json> parsed;
  for (std::string line; std::getline(lines, line);) {
    parsed.push_back(nlohmann::json::parse(line));
  }
  ASSERT_EQ(parsed.size(), 1 + RandomTensors(1).size());
  EXPECT_EQ(parsed[0]["stage"], "rl");
  EXPECT_EQ(parsed[0]["step"], 7);
  EXPECT_TRUE(parsed[0]["weights_hash"].is_null());
  EXPECT_EQ(parsed[0]["num_ranks"], 2);
  EXPECT_EQ(parsed[0]["num_elements"], 13 * 7 + 9 + 1 + 0 + 101 + 24);
  EXPECT_EQ(parsed[0]["num_bytes"], 4 * 13 * 7 + 2 * 9 + 8 + 101 + 8 * 24);
  EXPECT_EQ(parsed[0]["verified"], true);
  EXPECT_EQ(parsed[1]["tensor"], "layers.0.weight");
  EXPECT_EQ(parsed[1]["dtype"], "F32");
  EXPECT_EQ(parsed[1]["shape"], nlohmann::json::parse("[13,7]"));
  EXPECT_EQ(parsed[1]["slices"][0]["begin"], 0);
}

TEST_F(InspectTest, SlicesOfColumnsArePrintedWithThem) {
  const TensorSlice whole = RandomTensors(1)[0];
  std::vector<TensorSlice> slices;
  for (const ColumnRange& columns : {ColumnRange{0, 3}, ColumnRange{3, 7}})
    slices.push_back({whole.name, whole.shape, 0, Elements(whole, columns), columns});
  const auto world = MakeOneMemberCommunicator();
  ASSERT_EQ(SaveCheckpoint(*world, dir_ / "d", slices, "{}", {}), absl::OkStatus());
  std::ostringstream out;
  ASSERT_EQ(Inspect(dir_ / "d", true, out), absl::OkStatus());
  const auto line = nlohmann::json::parse(out.str().substr(out.str().find('\n') + 1));
  EXPECT_EQ(line["slices"][0]["columns"], nlohmann::json::parse("[0,3]"));
  EXPECT_EQ(line["slices"][1]["columns"], nlohmann::json::parse("[3,7]"));
  EXPECT_EQ(line["slices"][1]["end"], 13 * 4);
}

TEST_F(InspectTest, DamageIsFoundByVerifyAloneAndNothingIsPrinted) {
  const std::string path = dir_ / "c/rank-00000.safetensors";
  std::string bytes = Slurp(path);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  Spill(path, bytes);
  std::ostringstream out;
  EXPECT_TRUE(Inspect(dir_ / "c", false, out).ok());
  out.str("");
  EXPECT_EQ(Inspect(dir_ / "c", true, out).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(out.str(), "");
}

// The stages of a run, from its folder alone.
TEST(InspectRunTest, PrintsASummaryALineAStageAndTheChanges) {
  const RunDirectory root;
  RunConfig config = TinyRun(root.path());
  {
    absl::StatusOr<deduce::Run> run = deduce::Run::Open(root.path(), deduce::Run::Access::kWrite);
    ASSERT_TRUE(run->GoOn(config, std::vector<std::vector<Artifact>>(3)).ok());
    Publish(root.path(), "base", 10, "first", {{"num_tokens", 70}});
    Publish(root.path(), "cold", 4);
    config.mutable_stage(1)->set_steps(12);
    ASSERT_TRUE(run->GoOn(config, std::vector<std::vector<Artifact>>(3)).ok());
  }
  std::ostringstream out;
  ASSERT_EQ(Inspect(root.path(), true, out), absl::OkStatus());
  std::istringstream lines(out.str());
  std::vector<nlohmann::json> parsed;
  for (std::string line; std::getline(lines, line);) parsed.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(parsed.size(), 5U);
  EXPECT_EQ(parsed[0]["name"], "r");
  EXPECT_EQ(parsed[0]["state"], "stopped");
  EXPECT_TRUE(parsed[0]["writer"].is_null());
  EXPECT_EQ(parsed[1]["state"], "finished");
  EXPECT_EQ(parsed[1]["weights_hash"], "first");
  EXPECT_EQ(parsed[1]["num_tokens"], 70);
  EXPECT_TRUE(parsed[1]["seconds"].is_null());
  EXPECT_EQ(parsed[2]["state"], "begun");
  EXPECT_EQ(parsed[2]["step"], 4);
  EXPECT_EQ(parsed[2]["steps"], 12);
  EXPECT_EQ(parsed[3]["state"], "waiting");
  EXPECT_TRUE(parsed[3]["checkpoint"].is_null());
  EXPECT_EQ(parsed[4]["field"], "stage[1].steps");
}

}  // namespace
}  // namespace deduce
