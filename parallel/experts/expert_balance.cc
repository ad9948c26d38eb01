#include "parallel/experts/expert_balance.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <numeric>

namespace deduce {
namespace {

// Items of each bin, as many in each: the heaviest item first, each into the lightest bin that has
// room.
std::vector<std::vector<int>> PackEvenCounts(const std::vector<double>& weight, int num_bins) {
  const size_t room = weight.size() / num_bins;
  std::vector<std::vector<int>> bins(num_bins);
  if (room == 1) {  // nothing to choose
    for (int i = 0; i < num_bins; ++i) bins[i] = {i};
    return bins;
  }
  std::vector<int> order(weight.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return weight[a] > weight[b]; });
  std::vector<double> sum(num_bins, 0);
  for (const int item : order) {
    int lightest = -1;
    for (int bin = 0; bin < num_bins; ++bin) {
      if (bins[bin].size() < room && (lightest < 0 || sum[bin] < sum[lightest])) lightest = bin;
    }
    bins[lightest].push_back(item);
    sum[lightest] += weight[item];
  }
  return bins;
}

// Item of each copy: all items once, then again and again the one with the most load a copy.
std::vector<int> Replicate(const std::vector<double>& load, int num_copies) {
  std::vector<int> items(load.size()), count(load.size(), 1);
  std::iota(items.begin(), items.end(), 0);
  while (static_cast<int>(items.size()) < num_copies) {
    size_t heaviest = 0;
    for (size_t i = 1; i < load.size(); ++i) {
      if (load[i] / count[i] > load[heaviest] / count[heaviest]) heaviest = i;
    }
    items.push_back(static_cast<int>(heaviest));
    ++count[heaviest];
  }
  return items;
}

// The placement within one node, which has these experts.
std::vector<int> PlaceOnNode(const std::vector<double>& load, const std::vector<int>& experts,
                             int num_slots, int num_ranks) {
  std::vector<double> own(experts.size());
  for (size_t i = 0; i < experts.size(); ++i) own[i] = load[experts[i]];
  const std::vector<int> copies = Replicate(own, num_slots);
  std::vector<double> share(copies.size());
  for (size_t i = 0; i < copies.size(); ++i) {
    share[i] =
        own[copies[i]] / static_cast<double>(std::count(copies.begin(), copies.end(), copies[i]));
  }
  std::vector<int> placed;
  for (const std::vector<int>& rank : PackEvenCounts(share, num_ranks)) {
    for (const int copy : rank) placed.push_back(experts[copies[copy]]);
  }
  return placed;
}

}  // namespace

std::vector<int> PlaceExperts(const std::vector<double>& load, int num_slots,
                              const ExpertCluster& cluster) {
  const int experts = static_cast<int>(load.size());
  const int groups = cluster.num_expert_groups;
  TORCH_CHECK(cluster.num_nodes > 0 && groups > 0 && cluster.num_ranks % cluster.num_nodes == 0 &&
                  num_slots % cluster.num_ranks == 0 && experts % groups == 0 &&
                  num_slots >= experts,
              "PlaceExperts: found ", experts, " experts in ", groups, " groups, ", num_slots,
              " slots, ", cluster.num_ranks, " ranks on ", cluster.num_nodes,
              " nodes, expected each to divide by the next and a slot for every expert");
  // Without whole groups a node, the cluster is one node.
  const int nodes = groups % cluster.num_nodes == 0 ? cluster.num_nodes : 1;
  const int group_size = experts / groups;
  std::vector<double> group_load(groups, 0);
  for (int e = 0; e < experts; ++e) group_load[e / group_size] += load[e];
  std::vector<int> placed;
  for (const std::vector<int>& node : PackEvenCounts(group_load, nodes)) {
    std::vector<int> own;
    for (const int group : node) {
      for (int i = 0; i < group_size; ++i) own.push_back(group * group_size + i);
    }
    const std::vector<int> slots =
        PlaceOnNode(load, own, num_slots / nodes, cluster.num_ranks / nodes);
    placed.insert(placed.end(), slots.begin(), slots.end());
  }
  return placed;
}

std::vector<double> RankLoads(const std::vector<double>& load,
                              const std::vector<int>& expert_of_slot, int num_ranks) {
  const size_t slots_per_rank = expert_of_slot.size() / num_ranks;
  std::vector<double> sums(num_ranks, 0);
  for (size_t slot = 0; slot < expert_of_slot.size(); ++slot) {
    const int expert = expert_of_slot[slot];
    const auto copies = std::count(expert_of_slot.begin(), expert_of_slot.end(), expert);
    sums[slot / slots_per_rank] += load[expert] / static_cast<double>(copies);
  }
  return sums;
}

}  // namespace deduce
