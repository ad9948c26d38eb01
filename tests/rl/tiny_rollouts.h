// Ready-made samples, and a reinforcement learning stage that is small enough to run in a test.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "rl/algorithm/rollout_and_grade.h"
#include "tests/trainer/tiny_training.h"

namespace deduce {

// ASCII sums of two one-digit numbers, rewarded for every digit that is not Chinese: an untrained
// model writes both, so groups have rewards that differ.
inline StageConfig TinyGrpoStage() {
  StageConfig stage;
  stage.set_name("rl");
  stage.set_steps(20);
  stage.mutable_optimizer()->set_learning_rate(2e-3);
  stage.mutable_optimizer()->set_weight_decay(0);
  stage.set_micro_batch_tokens(64);
  TaskConfig& task = *stage.mutable_data()->mutable_task();
  task.set_name("chain_sum");
  task.set_min_terms(2);
  task.set_max_terms(2);
  task.set_min_digits(1);
  task.set_max_digits(1);
  task.set_chinese_share(0);
  GrpoConfig& grpo = *stage.mutable_grpo();
  grpo.set_prompts_per_step(2);
  grpo.set_num_generations(4);
  grpo.set_beta(0.01);
  grpo.set_ref_update_interval(0);
  grpo.set_max_prompt_length(16);
  grpo.set_max_completion_length(10);
  grpo.set_rollout_batch_size(8);
  grpo.add_reward()->set_verifier("language");
  return stage;
}

// One graded completion.
inline Sample GradedSample(uint64_t index, uint64_t group, const std::vector<int32_t>& tokens,
                           double reward, Sample::Status status = Sample::finished) {
  Sample sample;
  sample.set_sample(index);
  sample.set_group(group);
  sample.mutable_completion_tokens()->Assign(tokens.begin(), tokens.end());
  sample.mutable_sampler_log_probs()->Resize(static_cast<int>(tokens.size()), -0.5F);
  sample.set_status(status);
  sample.set_reward(reward);
  (*sample.mutable_rewards())["accuracy"] = reward;
  sample.set_verdict(reward > 0 ? Sample::right : Sample::wrong);
  return sample;
}

}  // namespace deduce
