// rollouts/STAGE/STEP.jsonl: every sample of a step, readable by people, scripts and `deduce
// report`.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "data/text/tokenizer/tokenizer.h"
#include "rl/algorithm/grpo.h"

namespace deduce {

// One line a sample: step, sample, group, prompt, answer, language, completion, tokens, logprobs,
// rewards, reward, advantage, verdict (right, wrong, unscorable), truncated. Replaces a file of
// that name. For one rank.
absl::Status WriteRolloutTable(const std::string& path, int64_t step, const GrpoResult& result,
                               int64_t num_generations, const Tokenizer& tokenizer);

}  // namespace deduce
