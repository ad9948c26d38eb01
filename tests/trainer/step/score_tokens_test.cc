#include "trainer/step/score_tokens.h"

#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/testing/rank_group.h"
#include "tests/trainer/long_prompt.h"
#include "tests/trainer/tiny_training.h"

namespace deduce {
namespace {

TEST(ScoreTokensTest, EveryRankGetsTheBitsOfOneRank) {
  const auto score = [](int num_ranks, int expert_parallel) {
    std::vector<at::Tensor> result;
    RunRanks(num_ranks, [&](Communicator& world) {
      TinyTraining training(world, expert_parallel, true);
      std::vector<PackedBatch> batches;
      for (int32_t m = 0; m < 3; ++m) {
        batches.push_back(MakePackedBatch(
            {PackItem{.tokens = {1, 8 + m, 9, 10}, .columns = {{Column::kWeight, {1}}}},
             PackItem{.tokens = {1, 12, 13 + m}, .columns = {{Column::kWeight, {1}}}}}));
      }
      const std::vector<at::Tensor> own = ScoreTokens(*training.model, batches, 1.0);
      if (world.rank() == world.size() - 1) result = own;
    });
    return result;
  };
  const std::vector<at::Tensor> one = score(1, 1), two = score(2, 2);
  ASSERT_EQ(one.size(), 3U);
  if (two.empty()) return;  // under mpirun only the last rank holds them
  for (size_t m = 0; m < one.size(); ++m) EXPECT_TRUE(at::equal(one[m], two[m]));
}

TEST(ScoreTokensTest, LeavingOutAPromptsLogProbsChangesNoBitOfTheOthers) {
  RunRanks(1, [](Communicator& world) {
    TinyTraining training(world, 1, true);
    const std::vector<at::Tensor> log_probs =
        ScoreTokens(*training.model, {LongPrompt(0), LongPrompt(1)}, 0.8);
    EXPECT_TRUE(at::equal(log_probs[0].narrow(0, 7, 2), log_probs[1].narrow(0, 7, 2)));
    EXPECT_EQ(log_probs[0].narrow(0, 0, 7).abs().max().item<float>(), 0);
    EXPECT_LT(log_probs[1].narrow(0, 0, 7).max().item<float>(), 0);
  });
}

}  // namespace
}  // namespace deduce
