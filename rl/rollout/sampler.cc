#include "rl/rollout/sampler.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace deduce {
namespace {

// Marks the smallest set of most probable tokens with at least `mass`.
std::vector<bool> Nucleus(const std::vector<double>& probability, double mass) {
  std::vector<int64_t> by_probability(probability.size());
  std::iota(by_probability.begin(), by_probability.end(), 0);
  std::stable_sort(by_probability.begin(), by_probability.end(),
                   [&](int64_t a, int64_t b) { return probability[a] > probability[b]; });
  std::vector<bool> kept(probability.size(), false);
  double sum = 0;
  for (const int64_t token : by_probability) {
    kept[token] = true;
    sum += probability[token];
    if (sum >= mass) break;
  }
  return kept;
}

}  // namespace

int64_t SampleToken(std::span<const float> log_probs, double top_p, double uniform) {
  std::vector<double> probability(log_probs.size());
  double total = 0;
  for (size_t i = 0; i < log_probs.size(); ++i) {
    probability[i] = std::exp(static_cast<double>(log_probs[i]));
    total += probability[i];
  }
  TORCH_CHECK(total > 0 && std::isfinite(total), "SampleToken: found a row of ", log_probs.size(),
              " tokens with mass ", total, ", expected log-probabilities");
  if (top_p < 1) {
    const std::vector<bool> kept = Nucleus(probability, top_p * total);
    total = 0;
    for (size_t i = 0; i < probability.size(); ++i) {
      if (!kept[i]) probability[i] = 0;
      total += probability[i];
    }
  }
  const double threshold = uniform * total;
  double cumulative = 0;
  size_t token = 0;
  for (; token < probability.size(); ++token) {
    cumulative += probability[token];
    if (cumulative > threshold) break;
  }
  TORCH_CHECK(token < probability.size(), "SampleToken: found uniform ", uniform,
              ", expected a number in [0, 1)");
  return static_cast<int64_t>(token);
}

int64_t GreedyToken(std::span<const float> log_probs) {
  TORCH_CHECK(!log_probs.empty(), "GreedyToken: found an empty row, expected log-probabilities");
  size_t best = 0;
  for (size_t i = 0; i < log_probs.size(); ++i) {
    TORCH_CHECK(!std::isnan(log_probs[i]), "GreedyToken: found NaN at token ", i,
                ", expected a log-probability");
    if (log_probs[i] > log_probs[best]) best = i;
  }
  return static_cast<int64_t>(best);
}

}  // namespace deduce
