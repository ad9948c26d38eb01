// The parameters of one placement in one flat buffer: the unit of gradient reduction, of the
// sharded optimizer and of sharded weights.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

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

  // Where experts are placed by load: the slots of every parameter, a view each, one after another.
  // Else undefined. Forward reads it, and trainer/step/expert_slots fills it.
  at::Tensor slot_values;
  // Elements that the gradients of one source have.
  int64_t gradient_size() const { return (slot_values.defined() ? slot_values : values).numel(); }

  std::vector<int64_t>
      shard_begin;  // per holder rank, and the size at the end; boundaries are block boundaries
  std::vector<int64_t> shard_rows() const;  // elements of each holder's shard
  int64_t own_begin() const { return shard_begin[holders->rank()]; }
  int64_t own_size() const { return shard_begin[holders->rank() + 1] - own_begin(); }
};

// Moves every parameter into the buffer of its placement's group, makes its gradient leaves, and
// deals the buffer to the group's holders. `parameters` and `ranks` must outlive the groups.
std::vector<FlatGroup> MakeFlatGroups(std::vector<Parameter>& parameters, const RankGroups& ranks);

}  // namespace deduce
