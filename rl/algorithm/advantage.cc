#include "rl/algorithm/advantage.h"

#include <c10/util/Exception.h>

#include <cmath>

namespace deduce {
namespace {

struct Moments {
  int64_t count = 0;
  double mean = 0;
  double deviation = 0;  // sample deviation, n - 1
  bool all_equal = true;
};

// Of the samples in [begin, end) that train.
Moments MomentsOf(const std::vector<double>& rewards, const std::vector<bool>& trains, size_t begin,
                  size_t end) {
  Moments moments;
  double sum = 0, first = 0;
  for (size_t i = begin; i < end; ++i) {
    if (!trains[i]) continue;
    if (moments.count++ == 0) first = rewards[i];
    moments.all_equal = moments.all_equal && rewards[i] == first;
    sum += rewards[i];
  }
  if (moments.count == 0) return moments;
  moments.mean = sum / static_cast<double>(moments.count);
  if (moments.count < 2) return moments;
  double squares = 0;
  for (size_t i = begin; i < end; ++i) {
    if (trains[i]) squares += (rewards[i] - moments.mean) * (rewards[i] - moments.mean);
  }
  moments.deviation = std::sqrt(squares / static_cast<double>(moments.count - 1));
  return moments;
}

}  // namespace

std::vector<double> Advantages(const std::vector<double>& rewards, int64_t num_generations,
                               GrpoConfig::ScaleRewards scale_rewards,
                               const std::vector<bool>& trains) {
  TORCH_CHECK(num_generations > 0 && rewards.size() % num_generations == 0, "Advantages: found ",
              rewards.size(), " rewards, expected a multiple of ", num_generations);
  TORCH_CHECK(trains.size() == rewards.size(), "Advantages: found ", trains.size(),
              " mask entries, expected ", rewards.size());
  const Moments batch = MomentsOf(rewards, trains, 0, rewards.size());
  std::vector<double> advantages(rewards.size(), 0.0);
  for (size_t begin = 0; begin < rewards.size(); begin += num_generations) {
    const size_t end = begin + num_generations;
    const Moments group = MomentsOf(rewards, trains, begin, end);
    // By comparison, not by r - mean: the mean of equal numbers need not be that number.
    if (group.all_equal) continue;
    double divisor = 1;
    if (scale_rewards == GrpoConfig::group) divisor = group.deviation + kAdvantageGuard;
    if (scale_rewards == GrpoConfig::batch) divisor = batch.deviation + kAdvantageGuard;
    for (size_t i = begin; i < end; ++i) {
      if (trains[i]) advantages[i] = (rewards[i] - group.mean) / divisor;
    }
  }
  return advantages;
}

}  // namespace deduce
