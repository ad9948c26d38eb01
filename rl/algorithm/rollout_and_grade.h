// Rollouts of a set of prompts over all ranks, graded: what a GRPO step trains on and an evaluation
// counts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/records/sample.pb.h"
#include "data/records/streams.h"
#include "data/text/tokenizer/tokenizer.h"
#include "parallel/rank_groups.h"
#include "rl/reward/rewards.h"
#include "rl/rollout/engine.h"
#include "trainer/step/rank_model.h"

namespace deduce {

// A prompt, and how many completions of it are compared with each other.
struct RolloutGroup {
  Prompt prompt;
  uint64_t prompt_id = 0;  // place in its stream
  int64_t num_generations = 1;
};

// The completion as its chat template calls the message: without the token that ends it and without
// special tokens, of which the tags that verifiers look for are none, whatever the tokenizer says.
// A token that ends a completion as data.stop belongs to it.
std::string MessageText(const Tokenizer& tokenizer, const Completion& completion);

// Collective over the world. The completions of all groups, graded, the same on every rank: whole
// groups in their order, with samples and groups numbered from 0, without policy_version and what
// training adds. Replica r of R (context ranks count as replicas here) generates and grades those
// of groups r, r + R, ... options.max_batch is per rank.
SampleTable RolloutAndGrade(RankModel& model, RankGroups& ranks, const Tokenizer& tokenizer,
                            const std::vector<RolloutGroup>& groups,
                            const GenerationOptions& options, const RewardSet& rewards);

}  // namespace deduce
