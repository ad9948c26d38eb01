#include "rl/algorithm/rollout_and_grade.h"

#include <gtest/gtest.h>

#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/random.h"
#include "tests/rl/tiny_rollouts.h"
#include "tests/testing/rank_group.h"

namespace deduce {
namespace {

GenerationOptions Options() {
  return {.max_new_tokens = 12,
          .end_ids = {TinyTokenizer()->eos_id()},
          .stream = RandomStream(1, "rollout/test"),
          .max_batch = 4};
}

// Five prompts with three completions each: no number of ranks here divides them evenly.
std::vector<RolloutGroup> Groups(const std::vector<int64_t>& sizes = {3, 3, 3, 3, 3}) {
  const auto stream = PromptStream::Create(TinyGrpoStage().data(), 5, TinyTokenizer(), 16);
  std::vector<RolloutGroup> groups;
  for (uint64_t n = 0; n < sizes.size(); ++n)
    groups.push_back({*stream->Get(Split::kTrain, n + 7), n + 7, sizes[n]});
  return groups;
}

RewardSet Rewards() { return *RewardSet::Create(TinyGrpoStage().grpo().reward()); }

// What the last rank has, without times.
SampleTable Collect(int num_ranks, int expert_parallel,
                    const std::vector<RolloutGroup>& groups = Groups()) {
  SampleTable table;
  RunRanks(num_ranks, [&](Communicator& world) {
    TinyTraining training(world, expert_parallel, true);
    SampleTable own = RolloutAndGrade(*training.model, training.ranks, *TinyTokenizer(), groups,
                                      Options(), Rewards());
    own.clear_rollout_seconds();
    own.clear_reward_seconds();
    if (world.rank() == world.size() - 1) table = std::move(own);
  });
  return table;
}

TEST(RolloutAndGradeTest, EveryRankHasTheSamplesOfOneRank) {
  const std::string one = Collect(1, 1).DebugString();
  EXPECT_EQ(Collect(2, 1).DebugString(), one);
  EXPECT_EQ(Collect(2, 2).DebugString(), one);
  EXPECT_EQ(Collect(4, 2).DebugString(), one);
}

TEST(RolloutAndGradeTest, GroupsOfAnySizeComeWholeInTheirOrder) {
  const std::vector<uint64_t> group_of = {0, 0, 1, 2, 2, 2, 2};
  for (const int num_ranks : {1, 2}) {
    const std::vector<RolloutGroup> groups = Groups({2, 1, 4});
    const SampleTable table = Collect(num_ranks, 1, groups);
    ASSERT_EQ(table.sample_size(), 7);
    for (int i = 0; i < 7; ++i) {
      const Sample& sample = table.sample(i);
      const RolloutGroup& group = groups[group_of[i]];
      EXPECT_EQ(sample.sample(), static_cast<uint64_t>(i));
      EXPECT_EQ(sample.group(), group_of[i]);
      EXPECT_EQ(sample.prompt_id(), group.prompt_id);
      EXPECT_EQ(std::vector<int32_t>(sample.prompt_tokens().begin(), sample.prompt_tokens().end()),
                group.prompt.tokens);
    }
  }
}

TEST(RolloutAndGradeTest, ASamplesCompletionDoesNotDependOnTheSizesOfItsGroup) {
  // Sample 2 is the third of prompt 7 here, and the only one of its own group there.
  std::vector<RolloutGroup> same = Groups({2, 1});
  same[1].prompt = same[0].prompt;
  const SampleTable apart = Collect(1, 1, same), together = Collect(1, 1, Groups({3}));
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(apart.sample(i).completion(), together.sample(i).completion());
}

TEST(RolloutAndGradeTest, ASampleIsGradedAgainstItsOwnPrompt) {
  const std::vector<RolloutGroup> groups = Groups();
  int finished = 0;
  const SampleTable table = Collect(1, 1);
  for (const Sample& sample : table.sample()) {
    EXPECT_EQ(sample.completion().find("<|end|>"), std::string::npos);
    finished += sample.status() == Sample::finished ? 1 : 0;
    const Scored scored =
        Rewards().Score(groups[sample.group()].prompt.problem, sample.completion());
    EXPECT_EQ(sample.has_reward(), !scored.unscorable);
    EXPECT_EQ(sample.reward(), scored.unscorable ? 0 : scored.total);
    EXPECT_EQ(sample.reason(), scored.reason);
  }
  EXPECT_GT(finished, 0);  // or the end token was never put to the test
}

// A tokenizer that calls its turn's end and, for once, <answer> special, and <think> not.
Tokenizer ChatTokenizer() {
  std::string added;
  const std::pair<const char*, bool> tokens[] = {
      {"<|endoftext|>", true}, {"<|im_end|>", true}, {"<think>", false}, {"</think>", false},
      {"<answer>", true},      {"</answer>", true},  {"2", false}};
  for (int id = 0; id < static_cast<int>(std::size(tokens)); ++id) {
    absl::StrAppend(&added, id > 0 ? ", " : "", "{\"id\": ", id, ", \"content\": \"",
                    tokens[id].first, "\", \"special\": ", tokens[id].second ? "true" : "false",
                    R"(, "normalized": false, "single_word": false, "lstrip": false, )"
                    R"("rstrip": false})");
  }
  const std::string json =
      absl::StrCat("{\"added_tokens\": [", added, R"(], "decoder": {"type": "Fuse"}, "model": )",
                   R"({"type": "WordLevel", "unk_token": "<|endoftext|>", "vocab": )",
                   R"({"<|endoftext|>": 0, "<|im_end|>": 1, "<think>": 2, "</think>": 3, )",
                   R"("<answer>": 4, "</answer>": 5, "2": 6, "hm": 7}}})");
  absl::StatusOr<Tokenizer> tokenizer =
      Tokenizer::FromJson(json, "test", R"({"eos_token": "<|endoftext|>"})");
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

TEST(MessageTextTest, SpecialTokensAreNoPartOfAMessageAndTagsAre) {
  const Tokenizer tokenizer = ChatTokenizer();
  const Completion completion{.tokens = {2, 7, 3, 4, 6, 5, 1, 6, 0}, .truncated = false};
  EXPECT_EQ(MessageText(tokenizer, completion), "<think>hm</think><answer>2</answer>2");
}

TEST(MessageTextTest, ATruncatedMessageKeepsItsLastToken) {
  const Tokenizer tokenizer = ChatTokenizer();
  EXPECT_EQ(MessageText(tokenizer, {.tokens = {7, 6}, .truncated = true}), "hm2");
  EXPECT_EQ(MessageText(tokenizer, {.tokens = {}, .truncated = true}), "");
}

TEST(MessageTextTest, ATokenThatStopsACompletionBelongsToIt) {
  EXPECT_EQ(MessageText(ChatTokenizer(), {.tokens = {7, 6}, .truncated = false}), "hm2");
}

}  // namespace
}  // namespace deduce
