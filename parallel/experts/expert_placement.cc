#include "parallel/experts/expert_placement.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace deduce {

ExpertPlacement ExpertPlacement::AtHome(int num_experts, int num_ranks) {
  std::vector<int> experts(num_experts);
  std::iota(experts.begin(), experts.end(), 0);
  return ExpertPlacement(std::move(experts), num_experts, num_ranks);
}

ExpertPlacement::ExpertPlacement(std::vector<int> expert_of_slot, int num_experts, int num_ranks)
    : num_ranks_(num_ranks), expert_of_slot_(std::move(expert_of_slot)) {
  TORCH_CHECK(num_ranks > 0 && num_slots() % num_ranks == 0 && num_experts % num_ranks == 0,
              "ExpertPlacement: found ", num_slots(), " slots for ", num_experts, " experts on ",
              num_ranks, " ranks, expected multiples of the ranks");
  std::vector<std::vector<int>> copies(num_experts);  // of each expert: slots, one a rank
  for (int slot = 0; slot < num_slots(); ++slot) {
    const int expert = expert_of_slot_[slot];
    TORCH_CHECK(expert >= 0 && expert < num_experts, "ExpertPlacement: found expert ", expert,
                ", expected one of ", num_experts);
    std::vector<int>& slots = copies[expert];
    if (slots.empty() || RankOf(slots.back()) != RankOf(slot)) slots.push_back(slot);
  }
  for (int expert = 0; expert < num_experts; ++expert) {
    const std::vector<int>& slots = copies[expert];
    TORCH_CHECK(!slots.empty(), "ExpertPlacement: found no slot of expert ", expert,
                ", expected one at least");
    std::vector<int> slot_for(num_ranks, -1);
    std::vector<int> served(slots.size(), 1);  // its own rank
    for (const int slot : slots) slot_for[RankOf(slot)] = slot;
    for (int& slot : slot_for) {
      if (slot >= 0) continue;
      const auto fewest = std::min_element(served.begin(), served.end());
      ++*fewest;
      slot = slots[fewest - served.begin()];
    }
    slot_for_.push_back(std::move(slot_for));
  }
}

std::vector<double> ExpertPlacement::RankLoads(const std::vector<double>& load) const {
  std::vector<double> sums(num_ranks_, 0);
  for (int expert = 0; expert < num_experts(); ++expert) {
    for (const int slot : slot_for_[expert]) sums[RankOf(slot)] += load.at(expert) / num_ranks_;
  }
  return sums;
}

double ExpertPlacement::MaxOverMeanRankLoad(const std::vector<double>& load) const {
  const std::vector<double> ranks = RankLoads(load);
  const double sum = std::accumulate(ranks.begin(), ranks.end(), 0.0);
  return sum == 0 ? 0 : *std::max_element(ranks.begin(), ranks.end()) * num_ranks_ / sum;
}

void ExpertPlacement::AppendClasses(int expert, int num_sources, int first, int stride,
                                    std::vector<SourceClass>& classes) const {
  const int slot = SlotFor(expert, first);
  bool one_slot = true;
  for (int source = first; source < num_sources; source += stride)
    one_slot = one_slot && SlotFor(expert, source) == slot;
  if (one_slot) {
    classes.push_back({slot, first, stride});
    return;
  }
  AppendClasses(expert, num_sources, first, 2 * stride, classes);
  AppendClasses(expert, num_sources, first + stride, 2 * stride, classes);
}

std::vector<ExpertPlacement::SourceClass> ExpertPlacement::SourceClasses(int expert,
                                                                         int num_sources) const {
  std::vector<SourceClass> classes;
  if (num_sources > 0) AppendClasses(expert, num_sources, 0, 1, classes);
  return classes;
}

}  // namespace deduce
