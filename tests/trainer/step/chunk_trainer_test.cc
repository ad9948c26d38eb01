#include "trainer/step/chunk_trainer.h"

#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "tests/trainer/long_prompt.h"
#include "tests/trainer/pipeline_layouts.h"

namespace deduce {
namespace {

// A stage that is a whole model, with two micro-batches of its own.
struct OneStage {
  explicit OneStage(LayoutConfig::Recompute recompute = LayoutConfig::none)
      : world(MakeOneMemberCommunicator()),
        training(*world, LayoutOf(""), DeepRoutedModel()),
        micro_batches{LongPrompt(1), LongPrompt(0.5)},
        work{micro_batches, order, loss, denominators, 0.3, recompute, numbers},
        stage(training.model->chunks().front(), work) {}

  // After both micro-batches.
  std::vector<at::Tensor> Shards() {
    stage.Reduce();
    stage.FinishSums();
    return stage.shards();
  }

  std::unique_ptr<Communicator> world;
  TinyTraining training;
  std::vector<PackedBatch> micro_batches;
  std::vector<int64_t> order = {0, 1};
  CrossEntropyLoss loss{true};
  Denominators denominators{.main = 14, .mtp = 12, .balance = 16};
  StepNumbers numbers;
  StepWork work;
  ChunkTrainer stage;
};

TEST(ChunkTrainerTest, TheHalvesOfBackwardHaveTheBitsOfTheWholeInAnyInterleaving) {
  OneStage whole, halves;
  for (const int m : {0, 1}) {
    whole.stage.Forward(m, {});
    whole.stage.Backward(m, {});
    halves.stage.Forward(m, {});
    halves.stage.InputGradient(m, {});  // of both micro-batches before the first one's weights
  }
  for (const int m : {0, 1}) halves.stage.WeightGradient(m);
  const std::vector<at::Tensor> expected = whole.Shards(), found = halves.Shards();
  ASSERT_EQ(found.size(), expected.size());
  for (size_t g = 0; g < expected.size(); ++g) {
    EXPECT_GT(expected[g].abs().max().item<float>(), 0);
    EXPECT_TRUE(at::equal(found[g], expected[g])) << g;
  }
}

TEST(ChunkTrainerTest, AttentionThatIsComputedAgainHasTheBitsOfKeptOne) {
  OneStage kept, again(LayoutConfig::selective);
  for (OneStage* one : {&kept, &again}) {
    for (const int m : {0, 1}) {
      one->stage.Forward(m, {});
      one->stage.InputGradient(m, {});
      one->stage.WeightGradient(m);
    }
  }
  const std::vector<at::Tensor> expected = kept.Shards(), found = again.Shards();
  for (size_t g = 0; g < expected.size(); ++g) EXPECT_TRUE(at::equal(found[g], expected[g])) << g;
}

TEST(ChunkTrainerTest, NumbersAreThoseOfEachMicroBatch) {
  OneStage one;
  for (const int m : {0, 1}) {
    one.stage.Forward(m, {});
    one.stage.Backward(m, {});
  }
  double loss = 0;
  for (const auto& [name, value] : one.numbers.Sums(*one.world)) {
    if (name == "step/loss") loss = value;
  }
  // 9 predictions of nearly equal tokens each; of the second, 7 count half.
  EXPECT_NEAR(loss / (9 + 2 + 7 * 0.5), std::log(64.0), 0.7);
}

}  // namespace
}  // namespace deduce
