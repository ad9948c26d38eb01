// Rollouts of a set of prompts over all ranks, graded: what a GRPO step trains on and an evaluation
// counts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/records/streams.h"
#include "data/text/tokenizer/tokenizer.h"
#include "parallel/rank_groups.h"
#include "rl/reward/rewards.h"
#include "rl/rollout/engine.h"
#include "trainer/step/rank_model.h"

namespace deduce {

struct Sample {
  uint64_t index = 0;  // group * num_generations + place in the group
  Completion completion;
  std::string text;  // the completion without its end token
  Scored scored;
};

struct SampleSet {
  std::vector<Sample> samples;  // by index: whole groups, in order of prompts
  double rollout_seconds = 0;   // slowest rank
  double reward_seconds = 0;
};

// Collective over the world. num_generations completions of every prompt; replica r of R (context
// ranks count as replicas here) generates those of prompts r, r + R, ... and grades them; every
// rank returns all of them. options.max_batch is per rank.
SampleSet RolloutAndGrade(RankModel& model, RankGroups& ranks, const Tokenizer& tokenizer,
                          const std::vector<Prompt>& prompts, int64_t num_generations,
                          const GenerationOptions& options, const RewardSet& rewards);

}  // namespace deduce
