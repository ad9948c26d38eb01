#include "rl/run/stage_loop.h"

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "configs/status.h"
#include "parallel/layout.h"
#include "tests/rl/report/run_directory.h"
#include "tests/testing/rank_group.h"
#include "trainer/checkpoint/checkpoint_folders.h"

namespace deduce {
namespace {

using ::testing::ElementsAre;
using Json = nlohmann::json;

// Work without a model: its weights are one number, to which step n adds n + 1. Each rank keeps an
// element of a tensor that is full of it.
class ToyWork : public StageWork {
 public:
  std::set<int64_t> skipped;   // steps without an update
  int64_t failing = -1;        // a step that ends with an error
  double peak = 1e9;           // evaluations fall as far as the weight is from it
  std::vector<int64_t> calls;  // the steps that were asked for

  absl::Status Prepare(RunContext& context, const StageStart& start) override {
    world_ = context.ranks.world;
    if (start.fresh()) return absl::OkStatus();
    at::Tensor element = at::zeros({1}, at::kDouble);
    RETURN_IF_ERROR(
        (start.resumed ? start.resumed : start.weights)->Read("weight", world_->rank(), element));
    weight_ = static_cast<int64_t>(element.item<double>());
    return absl::OkStatus();
  }
  absl::StatusOr<StepReport> Step(int64_t step) override {
    calls.push_back(step);
    if (step == failing) return absl::InternalError("toy: found a fault, expected none");
    weight_ += step + 1;
    return StepReport{.metrics = {{"loss", static_cast<double>(weight_)}},
                      .num_tokens = 3,
                      .finite = !skipped.contains(step)};
  }
  absl::Status Evaluate(MetricsRecord& record) override {
    const auto weight = static_cast<double>(weight_);
    record.emplace_back("eval/toy/pass@1", weight);
    record.emplace_back("eval/peak", -std::abs(weight - peak));
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> WeightsHash() override { return absl::StrCat("hash ", weight_); }
  std::vector<TensorSlice> Slices(bool only_model) override {
    std::vector<TensorSlice> slices = {
        {"weight", {world_->size()}, world_->rank(), at::full({1}, weight_, at::kDouble)}};
    if (only_model) return slices;
    slices.push_back(slices[0]);
    slices[1].name = "optimizer.first.weight";
    return slices;
  }
  nlohmann::ordered_json State() const override { return {{"toy", weight_}}; }

 private:
  Communicator* world_ = nullptr;
  int64_t weight_ = 0;
};

constexpr int kRanks = 2;

class StageLoopTest : public ::testing::Test {
 protected:
  StageLoopTest() {
    config_.set_name("toy");
    config_.mutable_checkpoint()->set_every_steps(2);
    config_.mutable_checkpoint()->set_keep_last(100);
    AddStage("before", 10);
    AddStage("toy", 5);
  }

  void AddStage(const std::string& name, int64_t steps) {
    StageConfig& stage = *config_.add_stage();
    stage.set_name(name);
    stage.set_steps(steps);
    stage.mutable_pretrain();
  }

  // The second stage on two ranks, from the newest checkpoint if there is one. stop_at: a step
  // after which rank 1 is asked to stop. Returns what all ranks returned.
  absl::StatusOr<StageEnd> Run(int64_t stop_at = -1, const ToyWork& toy = ToyWork()) {
    std::vector<absl::StatusOr<StageEnd>> ends(kRanks, absl::UnknownError("not run"));
    RunRanks(kRanks, [&](Communicator& world) {
      RankGroups ranks = MakeRankGroups(world, *MakeLayout(config_.layout(), kRanks, world.rank()));
      const auto entries = ListCheckpoints(root_.path());
      StageStart start{.inputs = nlohmann::json::array({{{"made", "from toys"}}})};
      if (!entries->empty()) start.resumed = *CheckpointReader::Open(entries->back().path);
      std::unique_ptr<RunLog> log;
      const int64_t offset =
          start.resumed ? start.resumed->state().at("metrics_offset").get<int64_t>() : 0;
      if (world.rank() == 0) log = *RunLog::Open(root_.path(), offset);
      world.Barrier();
      ToyWork work = toy;
      RunContext context{.config = config_,
                         .ranks = ranks,
                         .run_dir = root_.path(),
                         .log = log.get(),
                         .files = {{"beside.txt", "text"}},
                         .stop_requested = [&] {
                           return world.rank() == 1 && !work.calls.empty() &&
                                  work.calls.back() + 1 == stop_at;
                         }};
      ends[world.rank()] = RunStage(context, 1, work, start);
      if (world.rank() == 0) calls_ = work.calls;
    });
    EXPECT_EQ(ends[0].status(), ends[1].status());
    return ends[0];
  }

  // The lines of metrics.jsonl without times.
  std::vector<Json> Lines() const {
    std::vector<Json> lines;
    std::ifstream file(root_.file("metrics.jsonl"));
    for (std::string text; std::getline(file, text);) {
      Json line = Json::parse(text);
      for (const char* timed : {"step_time", "perf/throughput", "timing_s/checkpoint"})
        line.erase(timed);
      lines.push_back(line);
    }
    return lines;
  }

  template <typename T>
  std::vector<T> Column(const std::string& name) const {
    std::vector<T> values;
    for (const Json& line : Lines()) {
      if (line.contains(name)) values.push_back(line[name].get<T>());
    }
    return values;
  }

  std::vector<int64_t> Checkpoints() const {
    std::vector<int64_t> steps;
    const absl::StatusOr<std::vector<CheckpointEntry>> entries = ListCheckpoints(root_.path());
    TORCH_CHECK(entries.ok(), entries.status().ToString());
    for (const CheckpointEntry& entry : *entries) steps.push_back(entry.step);
    return steps;
  }

  RunDirectory root_;
  RunConfig config_;
  std::vector<int64_t> calls_;
};

TEST_F(StageLoopTest, EveryStepHasALine) {
  ASSERT_EQ(*Run(), StageEnd::kFinished);
  EXPECT_THAT(Column<int64_t>("step"), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(Column<int64_t>("global_step"), ElementsAre(11, 12, 13, 14, 15));
  EXPECT_THAT(Column<int64_t>("num_tokens"), ElementsAre(3, 6, 9, 12, 15));
  EXPECT_THAT(Column<double>("loss"), ElementsAre(1, 3, 6, 10, 15));
  EXPECT_EQ(Lines()[0]["stage"], "toy");
  EXPECT_EQ(Lines()[0]["stage_kind"], "pretrain");
}

TEST_F(StageLoopTest, SavesWhenItIsDueAndAtTheEnd) {
  ASSERT_EQ(*Run(), StageEnd::kFinished);
  EXPECT_THAT(Checkpoints(), ElementsAre(2, 4, 5));
  EXPECT_THAT(Column<std::string>("weights_hash"), ElementsAre("hash 3", "hash 10", "hash 15"));
  const auto reader = CheckpointReader::Open(CheckpointDir(root_.path(), "toy", 4));
  EXPECT_EQ(reader->state()["step"], 4);
  EXPECT_EQ(reader->state()["toy"], 10);
  EXPECT_EQ(reader->state()["weights_hash"], "hash 10");
  EXPECT_EQ(reader->state()["inputs"][0]["made"], "from toys");
  EXPECT_EQ(*reader->ReadExtraFile("beside.txt"), "text");
}

TEST_F(StageLoopTest, KeepsTheNewestCheckpointsAndTheLast) {
  config_.mutable_checkpoint()->set_every_steps(1);
  config_.mutable_checkpoint()->set_keep_last(2);
  ASSERT_EQ(*Run(), StageEnd::kFinished);
  EXPECT_THAT(Checkpoints(), ElementsAre(4, 5));
}

// Weights are 1, 3, 6, 10, 15.
TEST_F(StageLoopTest, TheBestCheckpointIsKeptAndLinkedThroughAResume) {
  config_.mutable_checkpoint()->set_every_steps(1);
  config_.mutable_checkpoint()->set_keep_last(1);
  config_.mutable_checkpoint()->set_best_metric("eval/peak");
  config_.mutable_stage(1)->mutable_evaluate()->set_every_steps(1);
  ToyWork toy;
  toy.peak = 4;
  const std::string stage = CheckpointStageDir(root_.path(), "toy");
  ASSERT_EQ(*Run(/*stop_at=*/3, toy), StageEnd::kStopped);
  EXPECT_THAT(Checkpoints(), ElementsAre(2, 3));
  ASSERT_EQ(*Run(-1, toy), StageEnd::kFinished);
  EXPECT_THAT(Checkpoints(), ElementsAre(2, 5));
  EXPECT_EQ(std::filesystem::read_symlink(stage + "/best"), "2");
  EXPECT_EQ(CheckpointReader::Open(stage + "/best")->state()["step"], 2);
  EXPECT_EQ(CheckpointReader::Open(stage + "/5")->state()["best"],
            Json::parse(R"({"metric": "eval/peak", "step": 2, "value": -1.0})"));
}

TEST_F(StageLoopTest, ABetterCheckpointTakesThePlaceOfTheBest) {
  config_.mutable_checkpoint()->set_every_steps(1);
  config_.mutable_checkpoint()->set_keep_last(1);
  config_.mutable_checkpoint()->set_best_metric("loss");  // every step has it, and it rises
  ASSERT_EQ(*Run(), StageEnd::kFinished);
  EXPECT_THAT(Checkpoints(), ElementsAre(1, 5));
  config_.mutable_checkpoint()->set_best_metric("eval/toy/pass@1");
  config_.mutable_stage(1)->mutable_evaluate()->set_every_steps(1);
  std::filesystem::remove_all(root_.file("checkpoints"));
  ASSERT_EQ(*Run(), StageEnd::kFinished);
  EXPECT_THAT(Checkpoints(), ElementsAre(5));
}

TEST_F(StageLoopTest, CheckpointsOfTheModelAloneHaveNoOptimizer) {
  ASSERT_EQ(*Run(), StageEnd::kFinished);
  const std::string last = CheckpointDir(root_.path(), "toy", 5);
  EXPECT_TRUE(CheckpointReader::Open(last)->Has("optimizer.first.weight"));
  EXPECT_FALSE(CheckpointReader::Open(last)->state().contains("only_model"));
  config_.mutable_checkpoint()->set_save_only_model(true);
  std::filesystem::remove_all(root_.file("checkpoints"));
  ASSERT_EQ(*Run(), StageEnd::kFinished);
  EXPECT_THAT(CheckpointReader::Open(last)->names(), ElementsAre("weight"));
  EXPECT_EQ(CheckpointReader::Open(last)->state()["only_model"], true);
}

TEST_F(StageLoopTest, EvaluatesBeforeTheFirstStepWhenItIsDueAndAfterTheLast) {
  config_.mutable_stage(1)->mutable_evaluate()->set_every_steps(3);
  ASSERT_EQ(*Run(), StageEnd::kFinished);
  EXPECT_THAT(Column<double>("eval/toy/pass@1"), ElementsAre(0, 6, 15));
  EXPECT_THAT(Column<int64_t>("step"), ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST_F(StageLoopTest, StopsWithACheckpointWhenOneRankIsAskedTo) {
  ASSERT_EQ(*Run(/*stop_at=*/3), StageEnd::kStopped);
  EXPECT_THAT(Checkpoints(), ElementsAre(2, 3));
  EXPECT_THAT(Column<int64_t>("step"), ElementsAre(1, 2, 3));
}

TEST_F(StageLoopTest, AStageThatIsAskedToStopAfterItsLastStepIsFinished) {
  EXPECT_EQ(*Run(/*stop_at=*/5), StageEnd::kFinished);
}

TEST_F(StageLoopTest, GoesOnAsIfItHadNotStopped) {
  config_.mutable_stage(1)->mutable_evaluate();
  ASSERT_EQ(*Run(/*stop_at=*/3), StageEnd::kStopped);
  ASSERT_EQ(*Run(), StageEnd::kFinished);
  EXPECT_THAT(calls_, ElementsAre(3, 4));
  const std::vector<Json> resumed = Lines();
  std::filesystem::remove_all(root_.file("checkpoints"));
  ASSERT_EQ(*Run(), StageEnd::kFinished);
  EXPECT_EQ(resumed, Lines());
}

TEST_F(StageLoopTest, GivesUpAfterTooManySkippedUpdatesInARowAndSaves) {
  config_.mutable_stage(1)->mutable_optimizer()->set_max_nonfinite_steps(2);
  ToyWork toy;
  toy.skipped = {0, 2, 3};
  const absl::Status status = Run(-1, toy).status();
  EXPECT_EQ(
      status.message(),
      "stage toy, step 4: found 2 updates in a row with a non-finite gradient, expected fewer "
      "than optimizer.max_nonfinite_steps (2)");
  EXPECT_THAT(Checkpoints(), ElementsAre(2, 4));
}

TEST_F(StageLoopTest, SkippedUpdatesAreCountedOverAResume) {
  config_.mutable_stage(1)->mutable_optimizer()->set_max_nonfinite_steps(2);
  ToyWork toy;
  toy.skipped = {2, 3};
  ASSERT_EQ(*Run(/*stop_at=*/3, toy), StageEnd::kStopped);
  EXPECT_THAT(std::string(Run(-1, toy).status().message()),
              ::testing::HasSubstr("step 4: found 2"));
}

TEST_F(StageLoopTest, AnErrorOfAStepEndsTheStage) {
  ToyWork toy;
  toy.failing = 3;
  EXPECT_EQ(Run(-1, toy).status().message(), "toy: found a fault, expected none");
  EXPECT_THAT(Column<int64_t>("step"), ElementsAre(1, 2, 3));
}

}  // namespace
}  // namespace deduce
