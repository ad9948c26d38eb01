// Places copies of experts so that ranks have equal work: the algorithm published as EPLB with
// DeepSeek-V3 (arXiv 2412.19437, section 3.4.1).
#pragma once

#include <vector>

namespace deduce {

struct ExpertCluster {
  int num_nodes = 1;
  int num_ranks = 1;  // over all nodes, as many on each
  int num_expert_groups =
      1;  // of node-limited routing: a group is kept on one node where it can be
};

// Expert of each replica slot, slots in the order of ranks; every expert has at least one slot, and
// the most loaded have more. `load` is one expert's share of tokens each, of one layer. Where the
// groups divide by the nodes, groups are packed onto nodes first, else nodes do not matter. Equal
// loads are taken by lowest index. num_slots must be a multiple of the ranks, these of the nodes,
// experts of the groups, and slots must suffice for the experts (of each node), else c10::Error.
std::vector<int> PlaceExperts(const std::vector<double>& load, int num_slots,
                              const ExpertCluster& cluster);

// Work of each rank under a placement, when an expert's load is shared evenly by its replicas.
std::vector<double> RankLoads(const std::vector<double>& load,
                              const std::vector<int>& expert_of_slot, int num_ranks);

}  // namespace deduce
