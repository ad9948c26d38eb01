#include "trainer/step/parameter_store.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <utility>

#include "kernels/exact_sum.h"

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

// The group's buffer, to be given the contents that it had: graphs that keep weights for backward
// do not take that for a change, as they would of one through `values`.
at::Tensor AsBefore(const FlatGroup& group) {
  return at::empty({0}, group.values.options())
      .set_(group.values.storage(), 0, group.values.sizes(), group.values.strides());
}

// Collective over the holders. Every rank's shard of the group's buffer reaches all holders.
void BroadcastShards(const FlatGroup& group, const at::Tensor& buffer) {
  c10::NoGradGuard no_grad;
  for (int r = 0; r < group.holders->size(); ++r) {
    at::Tensor shard =
        buffer.narrow(0, group.shard_begin[r], group.shard_begin[r + 1] - group.shard_begin[r]);
    if (shard.numel() > 0) group.holders->Broadcast(shard, r);
  }
}

}  // namespace

ParameterStore::ParameterStore(std::vector<Parameter>& parameters, const RankGroups& ranks,
                               bool sharded)
    : num_parts_(ranks.layout.num_parts()),
      context_parallel_(ranks.layout.context_parallel),
      sharded_(sharded),
      shards_weights_(sharded && ranks.layout.shards_weights()) {
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
    if (shards_weights_) group.own_shard = at::empty({group.own_size()}, group.values.options());
    groups_.push_back(std::move(group));
  }
  ReleaseWeights();
}

void ParameterStore::PlaceGradients(FlatGroup& group, int source,
                                    const std::function<at::Tensor()>& flat,
                                    GradientPlaces& places) {
  int64_t begin = 0;
  for (Parameter* parameter : group.parameters) {
    const int64_t count = parameter->forward_value().numel();
    places.Add(parameter->leaves[source], [=] { return flat().narrow(0, begin, count); });
    begin += count;
  }
}

void ParameterStore::TakeGradients(FlatGroup& group, int source, at::Tensor& flat) {
  c10::NoGradGuard no_grad;
  int64_t begin = 0;
  for (Parameter* parameter : group.parameters) {
    const int64_t count = parameter->forward_value().numel();
    at::Tensor into = flat.narrow(0, begin, count);
    at::Tensor& gradient = parameter->leaves[source].mutable_grad();
    if (gradient.defined()) {
      const at::Tensor computed = gradient.reshape({-1});
      if (computed.const_data_ptr() != into.const_data_ptr()) into.copy_(computed);
      gradient.reset();
    } else {
      into.zero_();
    }
    begin += count;
  }
}

at::Tensor ParameterStore::ReduceToShard(FlatGroup& group, const at::Tensor& class_sum,
                                         int num_present) const {
  const int holders = group.holders->size();
  const int rank = group.holders->rank();
  if (holders == 1 && num_present == 1) return class_sum;
  std::vector<int64_t> send_rows(holders, 0), recv_rows(holders, 0);
  for (int r = 0; r < holders; ++r) {
    const int64_t theirs =
        sharded_ ? group.shard_begin[r + 1] - group.shard_begin[r] : group.values.numel();
    if (rank < num_present) send_rows[r] = theirs;
    if (r < num_present) recv_rows[r] = shard_size(group);
  }
  at::Tensor send = rank < num_present ? class_sum : at::empty({0}, group.values.options());
  if (!sharded_ && rank < num_present) send = at::cat(std::vector<at::Tensor>(holders, class_sum));
  const at::Tensor received = group.holders->AllToAll(send, send_rows, recv_rows);
  std::vector<at::Tensor> parts;
  for (int r = 0; r < num_present; ++r) {
    parts.push_back(received.narrow(0, r * shard_size(group), shard_size(group)));
  }
  return TreeSum(std::move(parts));
}

void ParameterStore::ShareValues(FlatGroup& group) const {
  if (sharded_ && !shards_weights_ && !group.is_copy) BroadcastShards(group, group.values);
}

void ParameterStore::AllocateWeights() {
  if (!shards_weights_) return;
  TORCH_CHECK(!are_whole_, "AllocateWeights: found weights that are whole, expected released ones");
  are_whole_ = true;
  c10::NoGradGuard no_grad;
  for (FlatGroup& group : groups_) {
    // The views of parameters and leaves share the storage, so they see its new memory.
    c10::StorageImpl& storage = *group.values.storage().unsafeGetStorageImpl();
    storage.set_data_ptr_noswap(storage.allocator()->allocate(storage.nbytes()));
    AsBefore(group).narrow(0, group.own_begin(), group.own_size()).copy_(group.own_shard);
  }
}

void ParameterStore::GatherWeights() {
  AllocateWeights();
  if (!shards_weights_) return;
  for (FlatGroup& group : groups_) BroadcastShards(group, AsBefore(group));
}

void ParameterStore::ReleaseWeights() {
  if (!shards_weights_) return;
  TORCH_CHECK(are_whole_, "ReleaseWeights: found released weights, expected whole ones");
  are_whole_ = false;
  c10::NoGradGuard no_grad;
  for (FlatGroup& group : groups_) {
    group.own_shard.copy_(group.values.narrow(0, group.own_begin(), group.own_size()));
    group.values.storage().unsafeGetStorageImpl()->set_data_ptr_noswap(
        at::DataPtr(nullptr, group.values.device()));
  }
}

at::Tensor ParameterStore::owned_values(const FlatGroup& group) const {
  if (group.own_shard.defined()) return group.own_shard.narrow(0, 0, owned_size(group));
  return group.values.narrow(0, owned_begin(group), owned_size(group));
}

void ParameterStore::AddShardSquares(const std::vector<at::Tensor>& shard_gradients,
                                     at::Tensor& sum) const {
  for (size_t i = 0; i < groups_.size(); ++i) {
    const FlatGroup& group = groups_[i];
    if (group.is_copy) continue;  // added to the owner's
    const at::Tensor& gradient = shard_gradients[i];
    // What all holders have is shared out between them.
    AddSquares(sharded_ ? gradient : gradient.narrow(0, group.own_begin(), group.own_size()), sum);
  }
}

WholeWeights::WholeWeights(std::vector<ParameterStore*> stores) : stores_(std::move(stores)) {
  for (ParameterStore* store : stores_) store->GatherWeights();
}

WholeWeights::~WholeWeights() {
  for (ParameterStore* store : stores_) store->ReleaseWeights();
}

}  // namespace deduce
