// The published losses of reinforcement learning, a record each.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "configs/run.pb.h"

namespace deduce {

// The unit whose probability ratio of new to old weights is taken: a token, or its whole completion
// as the geometric mean over its tokens (GSPO, arXiv 2507.18071, equation 7).
enum class RatioLevel { kToken, kSequence };

// Ratios from low to high, both included, are in the trusted region.
struct ClipRange {
  double low, high;
};

// A completion's share of the loss: the weight of each of its tokens, and its part of the count
// that the sum over a mini-batch is divided by.
struct CompletionShare {
  double token_weight, count;
};

struct LossRecord {
  GrpoConfig::LossType type;
  RatioLevel ratio_level;
  // A token's gain, maximised: ratio_n and advantage_n [n] -> [n], differentiable in the ratio.
  at::Tensor (*surrogate)(const at::Tensor& ratio_n, const at::Tensor& advantage_n,
                          const ClipRange& range);
  // From rewards to advantages: rl/algorithm/advantage.h.
  std::vector<double> (*advantages)(const std::vector<double>& rewards,
                                    const std::vector<uint64_t>& groups,
                                    GrpoConfig::ScaleRewards scale_rewards,
                                    const std::vector<bool>& trains);
  // num_tokens: of the completion that train, at least 1; longest: that completions may be.
  CompletionShare (*share)(double num_tokens, double longest);
};

// Every type of the schema has a record, which the test asserts.
const LossRecord& FindLoss(GrpoConfig::LossType type);

}  // namespace deduce
