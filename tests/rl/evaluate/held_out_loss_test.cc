#include "rl/evaluate/held_out_loss.h"

#include <gtest/gtest.h>

#include <vector>

#include "data/records/packing.h"
#include "data/records/streams.h"
#include "tests/testing/rank_group.h"
#include "tests/trainer/pipeline_layouts.h"
#include "trainer/step/score_tokens.h"

namespace deduce {
namespace {

// Sums with their solutions; every third learns a token of its own choice.
std::vector<TokenSample> HeldOutSamples() {
  const auto stream = SampleStream::Create(TinyChunkTrainer().data(), 5, TinyTokenizer(), 96);
  std::vector<TokenSample> samples;
  for (uint64_t n = 0; n < 12; ++n) {
    TokenSample& sample = samples.emplace_back(*stream->Sample(n));
    if (n % 3 != 0) continue;
    sample.learned.resize(sample.tokens.size());
    sample.learned[4 + n] = 1;
    sample.prompt_length = static_cast<int64_t>(4 + n);
  }
  return samples;
}

double LossOn(int num_ranks, const std::string& layout, int64_t micro_batch_tokens) {
  double loss = 0;
  RunRanks(num_ranks, [&](Communicator& world) {
    TinyTraining training(world, LayoutOf(layout));
    const double own = HeldOutLoss(*training.model, HeldOutSamples(), micro_batch_tokens,
                                   /*completion_only=*/true);
    if (world.rank() == 0) loss = own;
  });
  return loss;
}

TEST(HeldOutLossTest, IsTheMeanOverTheLearnedTokensEachSampleScoredAlone) {
  RunRanks(1, [](Communicator& world) {
    TinyTraining training(world, 1, true);
    for (const bool completion_only : {false, true}) {
      double sum = 0, count = 0;
      for (const TokenSample& sample : HeldOutSamples()) {
        const std::vector<float> weights = LossWeights(sample, completion_only);
        const at::Tensor log_prob_x = ScoreTokens(
            *training.model,
            {MakePackedBatch(
                {PackItem{.tokens = sample.tokens, .columns = {{Column::kWeight, {1}}}}})},
            1)[0];
        for (size_t t = 0; t < weights.size(); ++t) {
          sum -= weights[t] * log_prob_x[static_cast<int64_t>(t)].item<double>();
          count += weights[t];
        }
      }
      // Sums of at most 400 terms below 10 in double, in another order at most.
      EXPECT_NEAR(HeldOutLoss(*training.model, HeldOutSamples(), 96, completion_only), sum / count,
                  1e-11);
    }
  });
}

TEST(HeldOutLossTest, HasTheSameBitsOnAnyRanksAndMicroBatches) {
  const double expected = LossOn(1, "", 96);
  EXPECT_GT(expected, 0);
  EXPECT_EQ(LossOn(1, "", 500), expected);
  EXPECT_EQ(LossOn(2, "", 96), expected);
  EXPECT_EQ(LossOn(4, "expert_parallel: 2", 200), expected);
  EXPECT_EQ(LossOn(2, "pipeline_parallel: 2", 96), expected);
}

}  // namespace
}  // namespace deduce
