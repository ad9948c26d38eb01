#include "trainer/step/rank_model.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/testing/rank_group.h"
#include "tests/trainer/pipeline_layouts.h"

namespace deduce {
namespace {

// After a prompt of three tokens, and after one more.
std::vector<at::Tensor> LogProbsAfterAPrompt(RankModel& model) {
  const c10::NoGradGuard no_grad;
  RolloutCache cache = model.MakeCache(1, 8);
  const std::vector<int64_t> prompt = {5, 9, 11};
  const at::Tensor first =
      model.NextLogProbs(at::tensor(prompt, at::kLong), {0, 0, 0}, {0, 1, 2}, {2}, 1, cache);
  const std::vector<int64_t> next = {7};
  const at::Tensor second =
      model.NextLogProbs(at::tensor(next, at::kLong), {0}, {3}, {0}, 1, cache);
  return {first, second};
}

TEST(RankModelTest, EveryRankOfAPipelineGetsTheLogProbsOfOneRank) {
  std::vector<at::Tensor> expected;
  const auto alone = MakeOneMemberCommunicator();
  TinyTraining one(*alone, LayoutOf(""), DeepRoutedModel());
  expected = LogProbsAfterAPrompt(*one.model);
  for (const char* schedule : {"1f1b", "zbv", "dualpipe"}) {
    RunRanks(2, [&](Communicator& world) {
      TinyTraining training(
          world, LayoutOf(std::string("pipeline_parallel: 2 schedule: \"") + schedule + "\""),
          DeepRoutedModel());
      const std::vector<at::Tensor> found = LogProbsAfterAPrompt(*training.model);
      for (size_t i = 0; i < expected.size(); ++i)
        EXPECT_TRUE(at::equal(found[i], expected[i])) << schedule << " " << i;
    });
  }
}

TEST(RankModelTest, WithoutWantedRowsThereIsNothing) {
  const auto world = MakeOneMemberCommunicator();
  TinyTraining training(*world, LayoutOf(""));
  RolloutCache cache = training.model->MakeCache(1, 4);
  EXPECT_FALSE(
      training.model->NextLogProbs(at::tensor(std::vector<int64_t>{5}), {0}, {0}, {}, 1, cache)
          .defined());
}

TEST(RankModelTest, ChunksComeByNumberAndByStage) {
  RunRanks(2, [](Communicator& world) {
    TinyTraining training(world, LayoutOf("pipeline_parallel: 2 schedule: \"dualpipe\""),
                          DeepRoutedModel());
    const std::vector<ModelChunk>& chunks = training.model->chunks();
    ASSERT_EQ(chunks.size(), 2U);
    EXPECT_EQ(chunks[0].stage.stage, world.rank());
    EXPECT_EQ(chunks[1].stage.stage, 1 - world.rank());
    const std::vector<size_t> order = training.model->ChunksByStage();
    EXPECT_EQ(chunks[order[0]].stage.stage, 0);
    EXPECT_EQ(chunks[order[1]].stage.stage, 1);
  });
}

TEST(RankModelTest, LayersThatCannotBeDealtAreNamed) {
  const auto check = [](const std::string& text, int num_ranks) {
    const auto layout = MakeLayout(LayoutOf(text), num_ranks, 0);
    return std::string(CheckModelLayout(TinyTrainingModel(), *layout).message());
  };
  EXPECT_EQ(check("pipeline_parallel: 2", 2), "");
  EXPECT_EQ(check("pipeline_parallel: 2 schedule: \"dualpipe\"", 2), "");
  EXPECT_EQ(check("pipeline_parallel: 2 schedule: \"zbv\"", 2),
            "layout.pipeline_parallel: found 4 pipeline stages, expected at most "
            "model.num_hidden_layers (2), or layout.stage_layers");
}

}  // namespace
}  // namespace deduce
