#include "rl/algorithm/advantage.h"

#include <c10/util/Exception.h>

#include <cmath>
#include <map>
#include <numeric>

namespace deduce {
namespace {

struct Moments {
  int64_t count = 0;
  double mean = 0;
  double deviation = 0;  // sample deviation, n - 1
  bool all_equal = true;
};

// The moments of the samples with these indices that train.
Moments MomentsOf(const std::vector<double>& rewards, const std::vector<bool>& trains,
                  const std::vector<size_t>& indices) {
  Moments moments;
  double sum = 0, first = 0;
  for (const size_t i : indices) {
    if (!trains[i]) continue;
    if (moments.count++ == 0) first = rewards[i];
    moments.all_equal = moments.all_equal && rewards[i] == first;
    sum += rewards[i];
  }
  if (moments.count == 0) return moments;
  moments.mean = sum / static_cast<double>(moments.count);
  if (moments.count < 2) return moments;
  double squares = 0;
  for (const size_t i : indices) {
    if (trains[i]) squares += (rewards[i] - moments.mean) * (rewards[i] - moments.mean);
  }
  moments.deviation = std::sqrt(squares / static_cast<double>(moments.count - 1));
  return moments;
}

}  // namespace

std::vector<double> Advantages(const std::vector<double>& rewards,
                               const std::vector<uint64_t>& groups,
                               GrpoConfig::ScaleRewards scale_rewards,
                               const std::vector<bool>& trains) {
  TORCH_CHECK(trains.size() == rewards.size() && groups.size() == rewards.size(),
              "Advantages: found ", trains.size(), " mask entries and ", groups.size(),
              " groups, expected ", rewards.size());
  std::vector<size_t> all(rewards.size());
  std::iota(all.begin(), all.end(), size_t{0});
  std::map<uint64_t, std::vector<size_t>> indices_of;
  for (const size_t i : all) indices_of[groups[i]].push_back(i);
  const Moments batch = MomentsOf(rewards, trains, all);
  std::vector<double> advantages(rewards.size(), 0.0);
  for (const auto& [id, indices] : indices_of) {
    const Moments group = MomentsOf(rewards, trains, indices);
    // By comparison, not by r - mean: the mean of equal numbers need not be that number.
    if (group.all_equal) continue;
    double divisor = 1;
    if (scale_rewards == GrpoConfig::group) divisor = group.deviation + kAdvantageGuard;
    if (scale_rewards == GrpoConfig::batch) divisor = batch.deviation + kAdvantageGuard;
    for (const size_t i : indices) {
      if (trains[i]) advantages[i] = (rewards[i] - group.mean) / divisor;
    }
  }
  return advantages;
}

}  // namespace deduce
