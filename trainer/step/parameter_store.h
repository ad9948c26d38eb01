// The parameters of a model in flat groups, and which of their elements this rank keeps: of the
// optimizer's state (ZeRO-1, Rajbhandari et al. 2020), of gradients and of weights (ZeRO-3).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "parallel/rank_groups.h"
#include "parallel/reduce/gradient_reducer.h"
#include "trainer/model/parameter.h"
#include "trainer/step/flat_group.h"

namespace deduce {

class ParameterStore {
 public:
  // Moves every parameter into the flat buffers and makes its gradient leaves. `parameters` and
  // `ranks` must outlive this. sharded: optimizer state is split over the holders (zero_stage 1 to
  // 3); otherwise holder 0's view is everybody's. Weights are sharded, and released, if the layout
  // of `ranks` says so.
  ParameterStore(std::vector<Parameter>& parameters, const RankGroups& ranks, bool sharded);

  std::vector<FlatGroup>& groups() { return groups_; }
  const std::vector<FlatGroup>& groups() const { return groups_; }
  bool sharded() const { return sharded_; }

  // How many holders of a group work on one micro-batch: all parts of it, of pieces one for each
  // context rank.
  int64_t HoldersOfMicroBatch(const FlatGroup& group) const {
    return group.placement == Placement::kPiece ? context_parallel_ : num_parts_;
  }

  // Who adds up the gradient of a group, and what of it this rank keeps.
  GradientShares SharesOf(const FlatGroup& group) const;

  // Collective over the holders. Every rank's shard of what it owns reaches all holders, unless
  // weights are sharded, when they are gathered for each use.
  void ShareValues(FlatGroup& group) const;

  // Weights that are sharded; nothing to do for others.
  bool shards_weights() const { return shards_weights_; }
  // Collective over the holders of each group. All weights are whole.
  void GatherWeights();
  // They have memory, to be written all over, and this rank's share is its shard.
  void AllocateWeights();
  // Keeps this rank's share. Until they are gathered again weights have no memory: nothing may read
  // them.
  void ReleaseWeights();

  // Adds the squares of this rank's shards to `sum` (kernels/exact_sum.h), so that over all ranks
  // every element of every logical tensor counts once. shard_gradients[i] belongs to groups()[i].
  void AddShardSquares(const std::vector<at::Tensor>& shard_gradients, at::Tensor& sum) const;

  // First element and number of elements of what this rank's optimizer owns: its shard, except of a
  // copy.
  int64_t owned_begin(const FlatGroup& group) const { return sharded_ ? group.own_begin() : 0; }
  int64_t owned_size(const FlatGroup& group) const { return group.is_copy ? 0 : shard_size(group); }
  // [owned_size] of the weights themselves, gathered or not.
  at::Tensor owned_values(const FlatGroup& group) const;

 private:
  int64_t shard_size(const FlatGroup& group) const {
    return sharded_ ? group.own_size() : group.values.numel();
  }

  std::vector<FlatGroup> groups_;
  int64_t num_parts_;
  int64_t context_parallel_;
  bool sharded_;
  bool shards_weights_;
  bool are_whole_ = true;
};

// While it lives, the weights of some stores are whole. Collective at its begin, over the holders
// of each in the order given. Stores must outlive this.
class WholeWeights {
 public:
  explicit WholeWeights(std::vector<ParameterStore*> stores);
  ~WholeWeights();
  WholeWeights(const WholeWeights&) = delete;
  WholeWeights& operator=(const WholeWeights&) = delete;

 private:
  std::vector<ParameterStore*> stores_;
};

}  // namespace deduce
