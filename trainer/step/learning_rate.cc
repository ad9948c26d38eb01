#include "trainer/step/learning_rate.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace deduce {
namespace {

// From `high` at progress 0 to `low` at progress 1.
double HalfCosine(double high, double low, double progress) {
  return low + 0.5 * (high - low) * (1 + std::cos(std::numbers::pi * progress));
}

}  // namespace

double LearningRate(const OptimizerConfig& config, int64_t step, int64_t total_steps) {
  TORCH_CHECK(step >= 0 && step < total_steps, "LearningRate: found step ", step,
              ", expected one of ", total_steps);
  const double full = config.learning_rate();
  const double low = config.min_learning_rate();
  const int64_t warmup = config.warmup_steps();
  if (step < warmup) return full * static_cast<double>(step + 1) / static_cast<double>(warmup);
  switch (config.schedule()) {
    case OptimizerConfig::constant:
      return full;
    case OptimizerConfig::cosine:
      return HalfCosine(full, low, static_cast<double>(step - warmup) / (total_steps - warmup));
    case OptimizerConfig::deepseek_v3: {
      const double share = static_cast<double>(step) / static_cast<double>(total_steps);
      const double cosine_end = config.constant_share() + config.cosine_share();
      if (share < config.constant_share()) return full;
      if (share < cosine_end) {
        return HalfCosine(full, low, (share - config.constant_share()) / config.cosine_share());
      }
      return share < cosine_end + config.first_tail_share() ? low : config.final_learning_rate();
    }
  }
  TORCH_CHECK(false, "LearningRate: found schedule ", static_cast<int>(config.schedule()),
              ", expected a known one");
}

}  // namespace deduce
