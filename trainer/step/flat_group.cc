#include "trainer/step/flat_group.h"

#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <utility>

namespace deduce {
namespace {

// Logical shape of each tensor of a parameter: a stack of experts loses its first dimension, a
// piece is as large as all.
std::vector<int64_t> LogicalShape(const Parameter& parameter) {
  std::vector<int64_t> shape = parameter.value.sizes().vec();
  if (parameter.placement == Placement::kExpertSharded) shape.erase(shape.begin());
  if (parameter.split != SplitBy::kNone)
    shape[parameter.split == SplitBy::kColumns ? 1 : 0] *= parameter.num_pieces;
  return shape;
}

LogicalTensor MakeLogicalTensor(const Parameter& parameter, const std::string& name,
                                int64_t begin) {
  LogicalTensor tensor;
  tensor.name = name;
  tensor.shape = LogicalShape(parameter);
  tensor.begin = begin;
  tensor.size = parameter.value.numel() / static_cast<int64_t>(parameter.names.size());
  tensor.in_pieces_before = parameter.piece * tensor.size;
  if (parameter.split == SplitBy::kColumns) {
    const int64_t width = parameter.value.size(1);
    tensor.columns = ColumnRange{parameter.piece * width, (parameter.piece + 1) * width};
  }
  return tensor;
}

// A buffer for the slots of experts that are placed by load, and each stack's view of it.
void MakeSlots(FlatGroup& group, const Layout& layout) {
  std::vector<std::vector<int64_t>> shapes;
  int64_t size = 0;
  for (const Parameter* stack : group.parameters) {
    shapes.push_back(stack->value.sizes().vec());
    int64_t& slots = shapes.back()[0];
    slots = (slots * layout.expert_parallel + layout.redundant_experts) / layout.expert_parallel;
    size += slots * stack->value[0].numel();
  }
  group.slot_values = at::zeros({size}, group.parameters.front()->value.options());
  int64_t begin = 0;
  for (size_t i = 0; i < group.parameters.size(); ++i) {
    const int64_t count = shapes[i][0] * group.parameters[i]->value[0].numel();
    group.parameters[i]->slots = group.slot_values.narrow(0, begin, count).view(shapes[i]);
    begin += count;
  }
}

void LayOut(FlatGroup& group) {
  std::stable_partition(group.parameters.begin(), group.parameters.end(),
                        [](const Parameter* p) { return p->decay; });
  int64_t size = 0;
  for (const Parameter* parameter : group.parameters) {
    for (const std::string& name : parameter->names) {
      group.tensors.push_back(MakeLogicalTensor(*parameter, name, size));
      size += group.tensors.back().size;
    }
    if (parameter->decay) group.decay_end = size;
  }
  c10::NoGradGuard no_grad;
  group.values = at::zeros({size}, group.parameters.front()->value.options());
  int64_t begin = 0;
  for (Parameter* parameter : group.parameters) {
    const int64_t count = parameter->value.numel();
    parameter->Rebind(group.values.narrow(0, begin, count), group.num_sources);
    begin += count;
  }
}

// Deals blocks to holders in order, each taking whole blocks until its even share is reached.
void DealShards(FlatGroup& group) {
  const int64_t holders = group.holders->size();
  const int64_t size = group.values.numel();
  group.shard_begin.assign(1, 0);
  for (const LogicalTensor& tensor : group.tensors) {
    for (int64_t offset = 0; offset < tensor.size; offset += kBlockElements) {
      const int64_t at = tensor.begin + offset;
      while (static_cast<int64_t>(group.shard_begin.size()) < holders &&
             at >= size * static_cast<int64_t>(group.shard_begin.size()) / holders) {
        group.shard_begin.push_back(at);
      }
    }
  }
  group.shard_begin.resize(holders, size);
  group.shard_begin.push_back(size);
}

Communicator* HoldersOf(Placement placement, const RankGroups& ranks) {
  switch (placement) {
    case Placement::kExpertSharded:
      return ranks.data.get();
    case Placement::kPiece:
      return ranks.pieces.get();
    default:
      return ranks.replicas.get();
  }
}

}  // namespace

std::vector<int64_t> FlatGroup::shard_rows() const {
  std::vector<int64_t> rows;
  for (size_t r = 0; r + 1 < shard_begin.size(); ++r)
    rows.push_back(shard_begin[r + 1] - shard_begin[r]);
  return rows;
}

std::vector<FlatGroup> MakeFlatGroups(std::vector<Parameter>& parameters, const RankGroups& ranks) {
  std::vector<FlatGroup> groups;
  for (const Placement placement : {Placement::kReplicated, Placement::kExpertSharded,
                                    Placement::kEmbedding, Placement::kPiece}) {
    FlatGroup group{.placement = placement};
    for (Parameter& parameter : parameters) {
      if (parameter.placement == placement) group.parameters.push_back(&parameter);
    }
    if (group.parameters.empty()) continue;
    const bool is_expert = placement == Placement::kExpertSharded;
    group.holders = HoldersOf(placement, ranks);
    if (is_expert) group.num_sources = ranks.experts->size();
    if (placement == Placement::kEmbedding) {
      group.num_sources = static_cast<int>(group.parameters.front()->leaves.size());
      group.is_copy = group.parameters.front()->is_copy;
    }
    // Slots follow the order that LayOut gives to the parameters, which all have decay.
    if (is_expert && ranks.layout.rebalance_every > 0) MakeSlots(group, ranks.layout);
    LayOut(group);
    DealShards(group);
    groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace deduce
