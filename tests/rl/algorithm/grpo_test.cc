#include "rl/algorithm/grpo.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "data/records/packing.h"
#include "tests/rl/tiny_rollouts.h"
#include "tests/testing/rank_group.h"
#include "trainer/step/score_tokens.h"

namespace deduce {
namespace {

// A policy and its reference, equal at first.
struct TinyRl {
  TinyRl(Communicator& world, int expert_parallel)
      : policy(world, expert_parallel, true), reference(world, expert_parallel, true) {}

  GrpoResult Step(const StageConfig& stage, int64_t step) {
    const auto grpo = Grpo::Create(stage, 5, TinyTokenizer(), "stage[0]");
    TORCH_CHECK(grpo.ok(), grpo.status().ToString());
    absl::StatusOr<GrpoResult> result =
        grpo->Step(*policy.state, &*reference.model, step, StepOptionsOf(stage, step));
    TORCH_CHECK(result.ok(), result.status().ToString());
    return *std::move(result);
  }

  TinyTraining policy, reference;
};

double Value(const GrpoResult& result, const std::string& wanted) {
  for (const auto& [name, value] : result.metrics) {
    if (name == wanted) return std::get<double>(value);
  }
  ADD_FAILURE() << "no " << wanted;
  return 0;
}

// Everything that may not depend on the layout; what rank 0 has after two steps.
struct Outcome {
  std::string policy_hash, reference_hash;
  MetricsRecord metrics;  // without times
  std::vector<double> advantages, losses;
  bool operator==(const Outcome&) const = default;
};

Outcome Train(int num_ranks, int expert_parallel) {
  StageConfig stage = TinyGrpoStage();
  stage.mutable_grpo()->set_num_mini_batches(2);
  stage.mutable_grpo()->set_num_iterations(2);
  stage.mutable_grpo()->set_ref_update_interval(3);
  Outcome outcome;
  RunRanks(num_ranks, [&](Communicator& world) {
    TinyRl rl(world, expert_parallel);
    Outcome own;
    for (int64_t step = 0; step < 2; ++step) {
      const GrpoResult result = rl.Step(stage, step);
      for (const auto& [name, value] : result.metrics) {
        const bool time = name.starts_with("timing_s/") || name == "rollout/tokens_per_second";
        if (!time) own.metrics.emplace_back(name, value);
      }
      for (const Sample& sample : result.samples.sample())
        own.advantages.push_back(sample.advantage());
      own.losses.push_back(result.last_update.Loss());
      own.losses.push_back(result.last_update.grad_norm);
    }
    own.policy_hash = rl.policy.Hash();
    own.reference_hash = rl.reference.Hash();
    if (world.rank() == 0) outcome = own;
  });
  return outcome;
}

TEST(GrpoTest, RanksHaveTheNumbersAndWeightsOfOne) {
  const Outcome one = Train(1, 1);
  EXPECT_EQ(Train(2, 1), one);
  EXPECT_EQ(Train(2, 2), one);
}

TEST(GrpoTest, TheReferenceIsReplacedAfterEveryInterval) {
  RunRanks(1, [](Communicator& world) {
    StageConfig stage = TinyGrpoStage();
    stage.mutable_grpo()->set_ref_update_interval(2);
    TinyRl rl(world, 1);
    std::string last_copy = rl.reference.Hash();
    for (int64_t step = 0; step < 4; ++step) {
      rl.Step(stage, step);
      const bool replaced = step % 2 == 1;
      EXPECT_EQ(rl.reference.Hash(), replaced ? rl.policy.Hash() : last_copy) << "step " << step;
      last_copy = rl.reference.Hash();
    }
  });
}

TEST(GrpoTest, WithoutAnIntervalTheReferenceIsNeverReplaced) {
  RunRanks(1, [](Communicator& world) {
    TinyRl rl(world, 1);
    const std::string before = rl.reference.Hash();
    for (int64_t step = 0; step < 2; ++step) rl.Step(TinyGrpoStage(), step);
    EXPECT_EQ(rl.reference.Hash(), before);
    EXPECT_NE(rl.policy.Hash(), before);
  });
}

TEST(GrpoTest, RolloutsHaveTheTrainersLogProbsToTheLastBit) {
  RunRanks(2, [](Communicator& world) {
    StageConfig stage = TinyGrpoStage();
    stage.mutable_grpo()->set_temperature(0.8);
    stage.mutable_grpo()->set_num_iterations(2);  // the second, off policy, does not count
    TinyRl rl(world, 2);
    for (int64_t step = 0; step < 2; ++step) {
      EXPECT_EQ(Value(rl.Step(stage, step), "rollout/logprob_bitwise_equal_ratio"), 1);
    }
  });
}

TEST(GrpoTest, APolicyEqualToItsReferenceHasNoDivergence) {
  RunRanks(1, [](Communicator& world) {
    TinyRl rl(world, 1);
    EXPECT_EQ(Value(rl.Step(TinyGrpoStage(), 0), "kl"), 0);
    EXPECT_GT(Value(rl.Step(TinyGrpoStage(), 1), "kl"), 0);
  });
}

TEST(GrpoTest, EveryMiniBatchOfEveryEpochIsOneUpdate) {
  RunRanks(1, [](Communicator& world) {
    StageConfig stage = TinyGrpoStage();
    stage.mutable_grpo()->set_num_mini_batches(4);
    stage.mutable_grpo()->set_num_iterations(2);
    TinyRl rl(world, 1);
    const GrpoResult result = rl.Step(stage, 0);
    EXPECT_EQ(rl.policy.state->num_updates(), 8);
    int64_t tokens = 0;  // every sample once in every epoch
    for (const Sample& sample : result.samples.sample())
      tokens += sample.prompt_tokens_size() + sample.completion_tokens_size();
    EXPECT_EQ(result.num_tokens, 2 * tokens);
  });
}

// Sum over samples of advantage * mean log-probability of the completion's tokens.
double Objective(TinyTraining& policy, const SampleTable& table) {
  double objective = 0;
  for (const Sample& sample : table.sample()) {
    std::vector<int32_t> tokens(sample.prompt_tokens().begin(), sample.prompt_tokens().end());
    tokens.insert(tokens.end(), sample.completion_tokens().begin(),
                  sample.completion_tokens().end());
    const PackedBatch alone =
        MakePackedBatch({PackItem{.tokens = tokens, .columns = {{Column::kWeight, {1}}}}});
    const at::Tensor log_prob_x = ScoreTokens(*policy.model, {alone}, 1)[0];
    double sum = 0;
    for (int64_t t = sample.prompt_tokens_size() - 1; t + 1 < log_prob_x.numel(); ++t)
      sum += log_prob_x[t].item<double>();
    objective += sample.advantage() * sum / sample.completion_tokens_size();
  }
  return objective;
}

TEST(GrpoTest, AnUpdateMakesBetterSamplesMoreProbable) {
  RunRanks(1, [](Communicator& world) {
    StageConfig stage = TinyGrpoStage();
    stage.mutable_optimizer()->set_learning_rate(1e-4);
    TinyRl rl(world, 1);
    const GrpoResult result = rl.Step(stage, 0);
    ASSERT_GT(Value(result, "reward_std"), 0);
    // The reference still has the weights that sampled.
    EXPECT_GT(Objective(rl.policy, result.samples), Objective(rl.reference, result.samples));
  });
}

TEST(GrpoTest, RewardRisesOnAToy) {
  RunRanks(1, [](Communicator& world) {
    StageConfig stage = TinyGrpoStage();
    stage.mutable_optimizer()->set_learning_rate(1e-2);
    TinyRl rl(world, 1);
    std::vector<double> rewards;
    for (int64_t step = 0; step < 20; ++step)
      rewards.push_back(Value(rl.Step(stage, step), "reward"));
    double first = 0, last = 0;
    for (size_t i = 0; i < 5; ++i) {
      first += rewards[i] / 5;
      last += rewards[rewards.size() - 1 - i] / 5;
    }
    // Digits are right half of the time without training; the deviation of such a mean of 40
    // completions of about five digits is below 0.05.
    EXPECT_GT(last, first + 0.15);
  });
}

TEST(GrpoTest, TruncatedSamplesTrainUnlessTheyAreMasked) {
  RunRanks(1, [](Communicator& world) {
    for (const bool masked : {false, true}) {
      StageConfig stage = TinyGrpoStage();
      stage.mutable_grpo()->set_max_completion_length(1);  // a digit or a tag, then it is cut
      stage.mutable_grpo()->set_mask_truncated_completions(masked);
      TinyRl rl(world, 1);
      const GrpoResult result = rl.Step(stage, 0);
      ASSERT_EQ(Value(result, "completions/clipped_ratio"), 1);
      // Entropy is measured at the tokens that have a weight.
      EXPECT_EQ(Value(result, "entropy") == 0, masked);
      EXPECT_TRUE(result.last_update.finite);
    }
  });
}

TEST(GrpoTest, BadSettingsAreFoundBeforeAnyWorkWithTheirPaths) {
  StageConfig no_verifier = TinyGrpoStage();
  no_verifier.mutable_grpo()->mutable_reward(0)->set_verifier("taste");
  const absl::Status status = Grpo::Create(no_verifier, 5, TinyTokenizer(), "stage[1]").status();
  EXPECT_EQ(status.message(),
            "stage[1].grpo.reward[0].verifier: found \"taste\", expected one of accuracy, "
            "format, language, math, chain_sum");
}

}  // namespace
}  // namespace deduce
