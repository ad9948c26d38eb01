// The parameters of a model in flat buffers, one buffer for each set of ranks that holds copies:
// the unit of gradient reduction, of the sharded optimizer (ZeRO-1, Rajbhandari et al. 2020) and of
// the global norm.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "parallel/rank_groups.h"
#include "trainer/element_range.h"
#include "trainer/model/parameter.h"

namespace deduce {

// A run of elements of one logical tensor that is never cut: sums of squares are defined block by
// block, so the global norm has the same bits however blocks are dealt to ranks.
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
  bool is_copy = false;             // another stage updates it: see trainer/shared_embedding
  Communicator* holders = nullptr;  // ranks with a copy of this buffer
  int num_sources = 1;              // gradient leaves of each parameter
  std::vector<Parameter*> parameters;
  std::vector<LogicalTensor> tensors;  // in buffer order
  int64_t decay_end = 0;               // elements before it have weight decay
  at::Tensor values;                   // fp32 [size]; every parameter's value is a view into it

  // Of experts that are placed by load: every parameter's slots, a view each, one after another.
  // Else undefined. Forward reads it, and trainer/expert_slots fills it.
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
  // `ranks` must outlive this. sharded: optimizer state is split over the holders (zero_stage 1 or
  // 2); otherwise holder 0's view is everybody's.
  ParameterStore(std::vector<Parameter>& parameters, const RankGroups& ranks, bool sharded);

  std::vector<FlatGroup>& groups() { return groups_; }
  const std::vector<FlatGroup>& groups() const { return groups_; }
  bool sharded() const { return sharded_; }

  // How many holders of a group work on one micro-batch: all parts of it, of pieces one for each
  // context rank.
  int64_t HoldersOfMicroBatch(const FlatGroup& group) const {
    return group.placement == Placement::kPiece ? context_parallel_ : num_parts_;
  }

  // Concatenates the gradients of one source's leaves of a group into `flat` [gradient_size] and
  // clears them; a leaf without gradient contributes zeros.
  static void TakeGradients(FlatGroup& group, int source, at::Tensor& flat);

  // Collective over the group's holders. Sums the holders' class sums (undefined: that holder had
  // no micro-batch, known to all by num_present) in the project's tree, and returns the sum over
  // this rank's shard (of everything when not sharded). Of one holder it is class_sum itself.
  at::Tensor ReduceToShard(FlatGroup& group, const at::Tensor& class_sum, int num_present) const;

  // Collective over the holders. Every rank's shard of `values` reaches all holders.
  void GatherValues(FlatGroup& group) const;

  // Appends the sums of squares of the blocks of this rank's shards, for GlobalNorm.
  // shard_gradients[i] belongs to groups()[i].
  void AppendBlockSquares(const std::vector<at::Tensor>& shard_gradients, std::string& bytes) const;

  // First element and number of elements of what this rank's optimizer owns: its shard, except of a
  // copy.
  int64_t owned_begin(const FlatGroup& group) const { return sharded_ ? group.own_begin() : 0; }
  int64_t owned_size(const FlatGroup& group) const { return group.is_copy ? 0 : shard_size(group); }

 private:
  int64_t shard_size(const FlatGroup& group) const {
    return sharded_ ? group.own_size() : group.values.numel();
  }

  std::vector<FlatGroup> groups_;
  int64_t num_parts_;
  int64_t context_parallel_;
  bool sharded_;
};

// Collective. Square root of the sum of squares of all logical tensors, added block by block in the
// order of tensor names, in double: the same bits on every layout without a tensor axis, whose
// pieces have blocks of their own. block_squares: what the stores
// of this rank appended.
double GlobalNorm(const std::string& block_squares, Communicator& world);

}  // namespace deduce
