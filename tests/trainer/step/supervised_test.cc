#include "trainer/step/supervised.h"

#include <ATen/ops/sum.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "data/records/packing.h"
#include "tests/testing/rank_group.h"
#include "tests/trainer/tiny_training.h"
#include "trainer/step/cross_entropy.h"
#include "trainer/step/score_tokens.h"

namespace deduce {
namespace {

// The loss that step `step` must have: the mean of -log p over the predictions of the stream's
// samples step * n ..., each scored alone.
double ExpectedLoss(TinyTraining& training, const StageConfig& stage, int64_t step,
                    bool completion_only) {
  const int64_t num_samples = (stage.has_sft() ? stage.sft() : stage.pretrain()).samples_per_step();
  const auto stream = SampleStream::Create(stage.data(), 5, TinyTokenizer(), 96);
  double sum = 0, count = 0;
  for (int64_t i = step * num_samples; i < (step + 1) * num_samples; ++i) {
    const TokenSample sample = *stream->Sample(static_cast<uint64_t>(i));
    const int64_t length = static_cast<int64_t>(sample.tokens.size());
    const PackedBatch alone =
        MakePackedBatch({PackItem{.tokens = sample.tokens, .columns = {{Column::kWeight, {1}}}}});
    const at::Tensor log_prob_x = ScoreTokens(*training.model, {alone}, 1)[0];
    const int64_t first = completion_only ? sample.prompt_length - 1 : 0;
    for (int64_t t = first; t < length - 1; ++t) sum -= log_prob_x[t].item<double>();
    count += static_cast<double>(length - 1 - first);
  }
  return sum / count;
}

enum class Kind { kPretrain, kSft };

void ExpectLoss(Kind kind, std::optional<bool> field, int64_t step, bool completion_only) {
  RunRanks(1, [&](Communicator& world) {
    StageConfig stage = TinyChunkTrainer();
    SupervisedConfig config = stage.pretrain();
    if (field) config.set_completion_only_loss(*field);
    *(kind == Kind::kSft ? stage.mutable_sft() : stage.mutable_pretrain()) = config;
    TinyTraining training(world, 1, true);
    const double expected = ExpectedLoss(training, stage, step, completion_only);
    // Sums of a few hundred fp32 terms below 10.
    EXPECT_NEAR(training.Step(stage, step).Loss(), expected, 1e-5 * expected);
  });
}

TEST(SupervisedTest, PretrainingLossIsTheMeanOverAllTokensOfTheStepsSamples) {
  ExpectLoss(Kind::kPretrain, {}, 0, false);
  ExpectLoss(Kind::kPretrain, {}, 3, false);
}

TEST(SupervisedTest, FineTuningLossIsTheMeanOverTheirCompletions) {
  ExpectLoss(Kind::kSft, {}, 3, true);
}

TEST(SupervisedTest, CompletionOnlyLossOverridesTheKind) {
  ExpectLoss(Kind::kPretrain, true, 3, true);
  ExpectLoss(Kind::kSft, false, 3, false);
}

TEST(SupervisedTest, EveryTokenOfTheSamplesIsCounted) {
  RunRanks(1, [](Communicator& world) {
    const StageConfig stage = TinyChunkTrainer();
    const auto stream = SampleStream::Create(stage.data(), 5, TinyTokenizer(), 96);
    size_t tokens = 0;
    for (uint64_t n = 10; n < 20; ++n) tokens += stream->Sample(n)->tokens.size();
    TinyTraining training(world, 1, true);
    EXPECT_EQ(training.Step(stage, 1).num_tokens, static_cast<int64_t>(tokens));
  });
}

// The counts of a step by the weights of its packed samples.
Counts CountsByWeights(const std::vector<TokenSample>& samples, bool completion_only) {
  double tokens = 0, next_tokens = 0;
  for (const TokenSample& sample : samples) {
    const PackedBatch batch = MakePackedBatch(
        {PackItem{.tokens = sample.tokens,
                  .prompt_length = sample.prompt_length,
                  .columns = {{Column::kWeight, LossWeights(sample, completion_only)}}}});
    tokens += at::sum(batch[Column::kWeight]).item<double>();
    next_tokens += at::sum(OneTokenAhead(batch)[Column::kWeight]).item<double>();
  }
  return CrossEntropy(0.3).MakeCounts(tokens, next_tokens);
}

TEST(SupervisedTest, ShapesHaveTheCountsOfTheirSamplesWeights) {
  std::vector<TokenSample> samples;
  for (size_t length = 2; length < 6; ++length) {
    for (int64_t prompt = 1; prompt < static_cast<int64_t>(length); ++prompt)
      samples.push_back({std::vector<int32_t>(length, 7), prompt});
  }
  samples.push_back({std::vector<int32_t>(5, 7), 1, {0, 1, 0, 1, 1}});
  samples.push_back({std::vector<int32_t>(5, 7), 2, {0, 0, 1, 0, 0}});
  std::vector<SampleShape> shapes;
  for (const TokenSample& sample : samples)
    shapes.push_back({static_cast<int64_t>(sample.tokens.size()), sample.prompt_length});
  shapes[shapes.size() - 2].num_learned = 3;
  shapes[shapes.size() - 2].num_learned_ahead = 2;
  shapes.back().num_learned = shapes.back().num_learned_ahead = 1;
  for (const bool completion_only : {false, true}) {
    EXPECT_EQ(CountsOf(shapes, {completion_only, 0.3}), CountsByWeights(samples, completion_only));
  }
}

TEST(SupervisedTest, BadDataIsFoundBeforeAnyWorkWithItsPath) {
  StageConfig stage = TinyChunkTrainer();
  stage.mutable_data()->mutable_task()->set_min_terms(1);
  const absl::Status status =
      Supervised::Create(stage, 5, TinyTokenizer(), 96, "stage[3]").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "stage[3].data.task.min_terms: found 1, expected 2 to 100");
}

TEST(SupervisedTest, LearnedTokensAloneHaveALoss) {
  RunRanks(1, [](Communicator& world) {
    TokenSample sample{{1, 9, 18, 10, 28, 6, 11, 7, 2}, 1, {0, 1, 0, 0, 1, 1, 0, 0, 1}};
    TinyTraining training(world, 1, true);
    const PackedBatch alone =
        MakePackedBatch({PackItem{.tokens = sample.tokens, .columns = {{Column::kWeight, {1}}}}});
    const at::Tensor log_prob_x = ScoreTokens(*training.model, {alone}, 1)[0];
    double expected = 0;
    for (const int64_t token : {1, 4, 5, 8}) expected -= log_prob_x[token - 1].item<double>() / 4;
    const StageConfig stage = TinyChunkTrainer();
    const auto stats = TrainOnSamples(
        *training.state, 1, [&](int64_t) { return sample; }, 96, {.completion_only = true},
        StepOptionsOf(stage, 0));
    ASSERT_TRUE(stats.ok()) << stats.status();
    EXPECT_NEAR(stats->Loss(), expected, 1e-5 * expected);  // a sum of four fp32 terms
  });
}

TEST(SupervisedTest, WhatIsLearnedOfConversationsFollowsTheConfig) {
  StageConfig stage;
  stage.mutable_pretrain();
  EXPECT_EQ(TurnsOf(stage), LearnedTurns::kAllText);
  stage.mutable_sft();
  EXPECT_EQ(TurnsOf(stage), LearnedTurns::kLast);
  stage.mutable_sft()->set_assistant_only_loss(true);
  EXPECT_EQ(TurnsOf(stage), LearnedTurns::kEvery);
  stage.mutable_sft()->set_completion_only_loss(false);
  EXPECT_EQ(TurnsOf(stage), LearnedTurns::kAllText);
  stage.mutable_distill();
  EXPECT_TRUE(LearnsCompletionsOnly(stage));
}

}  // namespace
}  // namespace deduce
