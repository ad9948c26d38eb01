// Rollouts on the trainer's own model: continuous batching over a key-value cache, one prefill a
// group, and random numbers that belong to the sample and the position, so that completions do not
// depend on batching, order or ranks.
#pragma once

#include <cstdint>
#include <vector>

#include "trainer/step/rank_model.h"

namespace deduce {

struct GenerationOptions {
  int64_t max_new_tokens = 0;
  double temperature = 1;  // 0: greedy, with log-probabilities at temperature 1
  double top_p = 1;
  std::vector<int32_t> end_ids = {};  // tokens that end a completion, in order
  uint64_t stream = 0;                // RandomStream(seed, "rollout/STAGE")
  uint64_t step = 0;                  // below 2^32
  int64_t max_batch = 64;             // sequences decoded together on this rank
};

struct GenerationRequest {
  std::vector<int32_t> prompt;  // not empty
  int64_t num_generations = 1;
  uint64_t first_sample = 0;  // the completions are samples first_sample ... + num_generations - 1
                              // of the step; below 2^32
};

struct Completion {
  uint64_t sample = 0;
  std::vector<int32_t> tokens;   // with the end token when finished
  std::vector<float> log_probs;  // of the tokens, before top_p, at the options' temperature:
                                 // bit-equal to TokenLogProb's
  bool truncated = false;        // max_new_tokens without an end token
};

// Collective over the expert group, whose ranks may bring different requests, or none: every
// decoding step runs the model on all of them, and a rank without work joins with 0 rows until all
// are done. Collective over the pipeline too, whose ranks bring the same requests and all return
// their completions. Returns this rank's completions in order of sample. The token at position p
// (0: first of the completion) of a sample is drawn with RandomUniform(stream, step << 32 | sample,
// p). A prompt longer than max_position_embeddings allows, an empty one or a token outside the
// vocabulary throws c10::Error: the caller has checked its data.
std::vector<Completion> Generate(RankModel& model, const std::vector<GenerationRequest>& requests,
                                 const GenerationOptions& options);

}  // namespace deduce
