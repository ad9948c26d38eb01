#include "trainer/step/chunk_trainer.h"

#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/trainer/long_prompt.h"
#include "tests/trainer/pipeline_layouts.h"
#include "trainer/step/cross_entropy.h"

namespace deduce {
namespace {

// A stage that is a whole model, with two micro-batches of its own.
struct OneStage {
  explicit OneStage(LayoutConfig::Recompute recompute = LayoutConfig::none)
      : world(MakeOneMemberCommunicator()),
        training(*world, LayoutOf(""), DeepRoutedModel()),
        micro_batches{LongPrompt(1), LongPrompt(0.5)},
        work{micro_batches, order, objective, counts, recompute, numbers},
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
  CrossEntropy objective{0.3};
  Counts counts = {{"tokens", 14}, {"next_tokens", 12}, {kSequences, 2}};
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
  std::map<std::string, double> numbers;
  for (const auto& [name, value] : one.numbers.Sums(*one.world)) numbers[name] = value;
  // 9 predictions of nearly equal tokens each; of the second, 7 count half.
  EXPECT_NEAR(numbers.at("loss/loss") * 14 / (9 + 2 + 7 * 0.5), std::log(64.0), 0.7);
  EXPECT_NEAR(numbers.at("loss/mtp_loss") * 12 / (8 + 2 + 6 * 0.5), std::log(64.0), 0.7);
  // Even choices of experts add 1 a sequence and layer.
  EXPECT_NEAR(numbers.at("loss/balance_loss"), 1, 0.5);
  EXPECT_EQ(numbers.at("tokens"), 18);
}

TEST(ChunkTrainerTest, AComponentWithoutItsCountIsAMistake) {
  OneStage one;
  one.counts.erase("next_tokens");
  EXPECT_THROW(one.stage.Forward(0, {}), c10::Error);
}

}  // namespace
}  // namespace deduce
