#include "trainer/step/parameter_store.h"

#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include <utility>

#include "kernels/exact_sum.h"

namespace deduce {
namespace {

// The group's buffer, to be given the contents that it had: graphs that keep weights for backward
// do not take that for a change, as they would of one through `values`.
at::Tensor AsBefore(const FlatGroup& group) {
  return at::empty({0}, group.values.options())
      .set_(group.values.storage(), 0, group.values.sizes(), group.values.strides());
}

}  // namespace

ParameterStore::ParameterStore(std::vector<Parameter>& parameters, const RankGroups& ranks,
                               bool sharded)
    : groups_(MakeFlatGroups(parameters, ranks)),
      num_parts_(ranks.layout.num_parts()),
      context_parallel_(ranks.layout.context_parallel),
      sharded_(sharded),
      shards_weights_(sharded && ranks.layout.shards_weights()) {
  if (!shards_weights_) return;
  for (FlatGroup& group : groups_)
    group.own_shard = at::empty({group.own_size()}, group.values.options());
  ReleaseWeights();
}

GradientShares ParameterStore::SharesOf(const FlatGroup& group) const {
  return {.holders = group.holders,
          .rows = group.shard_rows(),
          .sharded = sharded_,
          .options = group.values.options(),
          .in_backward_order = group.decay_end};
}

void ParameterStore::ShareValues(FlatGroup& group) const {
  if (!sharded_ || shards_weights_ || group.is_copy) return;
  group.holders->AllGatherInto(group.values, group.shard_rows());
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
  for (FlatGroup& group : groups_) {
    at::Tensor values = AsBefore(group);
    group.holders->AllGatherInto(values, group.shard_rows());
  }
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
    // All holders have the same gradient: they share out the work.
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
