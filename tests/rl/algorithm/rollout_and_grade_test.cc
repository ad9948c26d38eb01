#include "rl/algorithm/rollout_and_grade.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/random.h"
#include "tests/rl/tiny_rollouts.h"
#include "tests/testing/rank_group.h"

namespace deduce {
namespace {

constexpr int64_t kGenerations = 3;

GenerationOptions Options() {
  return {.max_new_tokens = 12,
          .end_ids = {TinyTokenizer()->eos_id()},
          .stream = RandomStream(1, "rollout/test"),
          .max_batch = 4};
}

// Five prompts: no number of ranks here divides them evenly.
std::vector<Prompt> Prompts() {
  const auto stream = PromptStream::Create(TinyGrpoStage().data(), 5, TinyTokenizer(), 16);
  std::vector<Prompt> prompts;
  for (uint64_t n = 0; n < 5; ++n) prompts.push_back(*stream->Get(Split::kTrain, n));
  return prompts;
}

RewardSet Rewards() { return *RewardSet::Create(TinyGrpoStage().grpo().reward()); }

// What the last rank has.
std::vector<Sample> Collect(int num_ranks, int expert_parallel) {
  std::vector<Sample> samples;
  RunRanks(num_ranks, [&](Communicator& world) {
    TinyTraining training(world, expert_parallel, true);
    SampleSet set = RolloutAndGrade(*training.model, training.ranks, *TinyTokenizer(), Prompts(),
                                    kGenerations, Options(), Rewards());
    if (world.rank() == world.size() - 1) samples = std::move(set.samples);
  });
  return samples;
}

void ExpectSame(const std::vector<Sample>& found, const std::vector<Sample>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    SCOPED_TRACE("sample " + std::to_string(i));
    EXPECT_EQ(found[i].index, expected[i].index);
    EXPECT_EQ(found[i].completion.tokens, expected[i].completion.tokens);
    EXPECT_EQ(found[i].completion.log_probs, expected[i].completion.log_probs);
    EXPECT_EQ(found[i].completion.truncated, expected[i].completion.truncated);
    EXPECT_EQ(found[i].text, expected[i].text);
    EXPECT_EQ(found[i].scored.total, expected[i].scored.total);
    EXPECT_EQ(found[i].scored.by_verifier, expected[i].scored.by_verifier);
    EXPECT_EQ(found[i].scored.accuracy, expected[i].scored.accuracy);
  }
}

TEST(CollectSamplesTest, EveryRankHasTheSamplesOfOneRank) {
  const std::vector<Sample> one = Collect(1, 1);
  ExpectSame(Collect(2, 1), one);
  ExpectSame(Collect(2, 2), one);
  ExpectSame(Collect(4, 2), one);
}

TEST(CollectSamplesTest, WholeGroupsComeInTheOrderOfPrompts) {
  const std::vector<Sample> samples = Collect(2, 1);
  ASSERT_EQ(samples.size(), 5U * kGenerations);
  for (size_t i = 0; i < samples.size(); ++i) {
    EXPECT_EQ(samples[i].index, i);
    EXPECT_EQ(samples[i].completion.sample, i);
  }
}

TEST(CollectSamplesTest, ASampleIsGradedAgainstItsOwnPromptWithoutItsEndToken) {
  const std::vector<Prompt> prompts = Prompts();
  const auto tokenizer = TinyTokenizer();
  int finished = 0;
  for (const Sample& sample : Collect(1, 1)) {
    EXPECT_EQ(sample.text.find("<|end|>"), std::string::npos);
    const std::string whole = tokenizer->Decode(sample.completion.tokens);
    EXPECT_EQ(sample.completion.truncated ? sample.text : sample.text + "<|end|>", whole);
    finished += sample.completion.truncated ? 0 : 1;
    const Scored scored =
        Rewards().Score(prompts[sample.index / kGenerations].problem, sample.text);
    EXPECT_EQ(sample.scored.total, scored.total);
  }
  EXPECT_GT(finished, 0);  // or the end token was never put to the test
}

}  // namespace
}  // namespace deduce
