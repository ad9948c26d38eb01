// The parameters of a model in flat buffers, one buffer for each set of ranks that holds copies:
// the unit of gradient reduction, of the sharded optimizer (ZeRO-1, Rajbhandari et al. 2020), of
// sharded weights (ZeRO-3).
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/weight_gradient.h"
#include "parallel/rank_groups.h"
#include "trainer/checkpoint/element_range.h"
#include "trainer/model/parameter.h"

namespace deduce {

// A run of elements of one logical tensor that is never cut. A multiple of every vector's width, so
// an element is updated by the same instructions in whichever shard it is.
inline constexpr int64_t kBlockElements = 16384;

// One logical tensor, or this rank's piece of it, inside a flat buffer.
struct LogicalTensor {
  std::string name;
  std::vector<int64_t> shape;  // of the whole
  int64_t begin = 0;           // in the flat buffer
  int64_t size = 0;
  int64_t in_pieces_before = 0;        // elements that lower tensor ranks have of it
  std::optional<ColumnRange> columns;  // of a piece by columns
  // The first element here among those of the tensor, or of its columns.
  int64_t first() const { return columns ? 0 : in_pieces_before; }
};

// The parameters of one placement. Parameters with weight decay come first, so a shard has at most
// two segments.
struct FlatGroup {
  Placement placement = Placement::kReplicated;
  bool is_copy = false;             // another stage updates it: see trainer/step/shared_embedding
  Communicator* holders = nullptr;  // ranks with a copy of this buffer
  int num_sources = 1;              // gradient leaves of each parameter
  std::vector<Parameter*> parameters;
  std::vector<LogicalTensor> tensors;  // in buffer order
  int64_t decay_end = 0;               // elements before it have weight decay
  // fp32 [size]; every parameter's value is a view into it. Where weights are sharded its memory is
  // there from ParameterStore::GatherWeights or AllocateWeights to ReleaseWeights alone.
  at::Tensor values;
  // Where weights are sharded: [own_size()], this rank's shard, resident. Else undefined.
  at::Tensor own_shard;
  // This rank's resident part: the shard where weights are sharded, else everything.
  at::Tensor stored() const { return own_shard.defined() ? own_shard : values; }

  // Of experts that are placed by load: every parameter's slots, a view each, one after another.
  // Else undefined. Forward reads it, and trainer/step/expert_slots fills it.
  at::Tensor slot_values;
  // Elements that the gradients of one source have.
  int64_t gradient_size() const { return (slot_values.defined() ? slot_values : values).numel(); }

  std::vector<int64_t>
      shard_begin;  // per holder rank, and the size at the end; boundaries are block boundaries
  int64_t own_begin() const { return shard_begin[holders->rank()]; }
  int64_t own_size() const { return shard_begin[holders->rank() + 1] - own_begin(); }
};

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

  // Makes kernels put the gradients of one source's leaves of a group where TakeGradients wants
  // them in `flat`, which gives the buffer when it is needed.
  static void PlaceGradients(FlatGroup& group, int source, const std::function<at::Tensor()>& flat,
                             GradientPlaces& places);
  // Concatenates the gradients of one source's leaves of a group into `flat` [gradient_size] and
  // clears them; a leaf without gradient contributes zeros.
  static void TakeGradients(FlatGroup& group, int source, at::Tensor& flat);

  // Collective over the group's holders. Sums the holders' class sums (undefined: that holder had
  // no micro-batch, known to all by num_present) in the project's tree, and returns the sum over
  // this rank's shard (of everything when not sharded). Of one holder it is class_sum itself.
  at::Tensor ReduceToShard(FlatGroup& group, const at::Tensor& class_sum, int num_present) const;

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
