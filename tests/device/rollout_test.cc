// Rollouts and a GRPO step on a device beside those on the CPU.
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <variant>

#include "kernels/random.h"
#include "rl/algorithm/grpo.h"
#include "rl/rollout/engine.h"
#include "tests/device/on_both.h"
#include "tests/rl/tiny_rollouts.h"
#include "tests/testing/rank_group.h"

namespace deduce {
namespace {

std::vector<Completion> Complete(Communicator& world, const std::string& layout,
                                 const ModelConfig& model, c10::Device device) {
  TinyTraining training(world, LayoutOf(layout), model, at::kFloat, device);
  GenerationOptions options;
  options.max_new_tokens = 9;
  options.stream = RandomStream(1, "rollout/test");
  options.max_batch = 3;  // fewer than there are: prompts are copied between slots
  return Generate(*training.model,
                  {{.prompt = {2, 3, 4, 5, 6}, .num_generations = 4, .first_sample = 0},
                   {.prompt = {7}, .num_generations = 2, .first_sample = 4}},
                  options);
}

void ExpectSameCompletions(int num_ranks, const std::string& layout, const ModelConfig& model) {
  RunRanks(num_ranks, [&](Communicator& world) {
    const auto found = Complete(world, layout, model, SimulatedDevice());
    const auto expected = Complete(world, layout, model, c10::kCPU);
    ASSERT_EQ(found.size(), 6U);
    for (size_t i = 0; i < found.size(); ++i) {
      // Equal, unless a random number falls within 1e-6 of the border between two tokens.
      ASSERT_EQ(found[i].tokens, expected[i].tokens) << i;
      for (size_t t = 0; t < found[i].tokens.size(); ++t)
        EXPECT_NEAR(found[i].log_probs[t], expected[i].log_probs[t], 1e-5);
    }
  });
}

TEST(DeviceRolloutTest, LatentAttentionAndExperts) {
  ExpectSameCompletions(1, "", TinyTrainingModel());
}

TEST(DeviceRolloutTest, GroupedQueriesOverAPipeline) {
  ModelConfig config = DeepTiedModel();
  config.set_num_hidden_layers(2);
  ExpectSameCompletions(2, "pipeline_parallel: 2", config);
}

TEST(DeviceRolloutTest, TensorRanks) {
  ExpectSameCompletions(2, "tensor_parallel: 2 exact: false", TinyTrainingModel());
}

// Times aside, all numbers of two steps, and the policy after them.
Outcome TrainByGrpo(Communicator& world, c10::Device device) {
  const LayoutConfig layout = LayoutOf("");
  TinyTraining policy(world, layout, TinyTrainingModel(), at::kFloat, device);
  TinyTraining reference(world, layout, TinyTrainingModel(), at::kFloat, device);
  StageConfig stage = TinyGrpoStage();
  stage.mutable_grpo()->set_num_mini_batches(2);
  stage.mutable_grpo()->set_ref_update_interval(3);
  const auto grpo = Grpo::Create(stage, 5, TinyTokenizer(), "stage[0]");
  EXPECT_TRUE(grpo.ok()) << grpo.status();
  Outcome outcome;
  for (int64_t step = 0; step < 2; ++step) {
    const auto result =
        grpo->Step(*policy.state, &*reference.model, step, StepOptionsOf(stage, step));
    EXPECT_TRUE(result.ok()) << result.status();
    outcome.numbers.push_back(result->last_update.Loss());
    outcome.numbers.push_back(result->last_update.grad_norm);
    for (const auto& [name, value] : result->metrics) {
      const bool is_time = name.starts_with("timing_s/") || name == "rollout/tokens_per_second";
      // Bits of rollout and trainer are equal on the CPU alone.
      if (is_time || name == "rollout/logprob_bitwise_equal_ratio") continue;
      if (const double* number = std::get_if<double>(&value)) outcome.numbers.push_back(*number);
    }
  }
  AddWeights(*policy.model, outcome);
  return outcome;
}

TEST(DeviceRolloutTest, GrpoSteps) {
  RunRanks(1, [](Communicator& world) {
    ExpectEqual(TrainByGrpo(world, SimulatedDevice()), TrainByGrpo(world, c10::kCPU), kFp32);
  });
}

}  // namespace
}  // namespace deduce
