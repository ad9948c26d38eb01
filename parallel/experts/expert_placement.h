// Says which rank computes which expert of a layer, and for whose tokens.
#pragma once

#include <vector>

namespace deduce {

// Experts and their copies lie in slots, as many on each rank of the expert group, in the order of
// ranks. All rows that one source rank has for an expert go to one copy: its own, if it has one;
// the other sources, in order, go to the copy that serves the fewest sources so far, the first of
// equals. So the rows of an expert from one micro-batch stay together, and their weight gradient
// has the bits that it has on one rank (docs/design/ranks.md).
class ExpertPlacement {
 public:
  // Every expert once, in the order of their numbers: where its weights and moments live, whatever
  // the placement. num_ranks must divide num_experts, else c10::Error.
  static ExpertPlacement AtHome(int num_experts, int num_ranks);

  // expert_of_slot: as PlaceExperts gives it. c10::Error unless each expert has a slot and each
  // rank as many slots.
  ExpertPlacement(std::vector<int> expert_of_slot, int num_experts, int num_ranks);

  int num_experts() const { return static_cast<int>(slot_for_.size()); }
  int num_ranks() const { return num_ranks_; }
  int num_slots() const { return static_cast<int>(expert_of_slot_.size()); }
  int slots_per_rank() const { return num_slots() / num_ranks_; }
  int ExpertAt(int slot) const { return expert_of_slot_[slot]; }
  int RankOf(int slot) const { return slot / slots_per_rank(); }
  int HomeOf(int expert) const { return expert / (num_experts() / num_ranks_); }

  // Where the rows go that rank `source` has for an expert.
  int SlotFor(int expert, int source) const { return slot_for_[expert][source]; }

  // Work of each rank, when an expert's load comes evenly from all sources.
  std::vector<double> RankLoads(const std::vector<double>& load) const;
  // That of the busiest rank over the mean; 0 without any.
  double MaxOverMeanRankLoad(const std::vector<double>& load) const;

  // Sources first, first + stride, first + 2 * stride, ... of the group, all with the same slot for
  // an expert.
  struct SourceClass {
    int slot = 0, first = 0, stride = 1;
    bool operator==(const SourceClass&) const = default;
  };
  // The sources 0 .. num_sources - 1 in as few classes as are complete subtrees of TreeSum, in its
  // depth-first order. num_sources 0: none.
  std::vector<SourceClass> SourceClasses(int expert, int num_sources) const;

 private:
  void AppendClasses(int expert, int num_sources, int first, int stride,
                     std::vector<SourceClass>& classes) const;

  int num_ranks_;
  std::vector<int> expert_of_slot_;
  std::vector<std::vector<int>> slot_for_;  // by expert and source
};

}  // namespace deduce
