#include "trainer/step/tensor_slices.h"

#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "configs/status.h"
#include "trainer/checkpoint/weights_hash.h"

namespace deduce {
namespace {

constexpr char kFirstMoment[] = "optimizer.first.";
constexpr char kSecondMoment[] = "optimizer.second.";

// Appends the parts of a group's tensors in `flat`, which begins at `begin` of the group's buffer.
void AppendSlices(const FlatGroup& group, int64_t begin, const at::Tensor& flat,
                  const std::string& prefix, std::vector<TensorSlice>& slices) {
  for (const LogicalTensor& tensor : group.tensors) {
    const int64_t from = std::max(begin, tensor.begin);
    const int64_t to = std::min(begin + flat.numel(), tensor.begin + tensor.size);
    if (from >= to) continue;
    slices.push_back({prefix + tensor.name, tensor.shape, tensor.first() + from - tensor.begin,
                      flat.narrow(0, from - begin, to - from), tensor.columns});
  }
}

// Whether this rank writes its owned range: all do when ranges are disjoint, the first holder when
// all own everything.
bool Writes(const ParameterStore& store, const FlatGroup& group) {
  return store.sharded() || group.holders->rank() == 0;
}

absl::Status ReadSlices(const CheckpointReader& reader, const std::vector<TensorSlice>& slices) {
  for (const TensorSlice& slice : slices) {
    if (!reader.Has(slice.name)) {
      return absl::InvalidArgumentError(absl::StrCat(
          reader.dir(), ": ", slice.name, ": found no such tensor, expected one of shape [",
          absl::StrJoin(slice.shape, ", "), "]"));
    }
    if (reader.shape(slice.name) != slice.shape ||
        reader.dtype(slice.name) != slice.data.scalar_type()) {
      return absl::InvalidArgumentError(absl::StrCat(
          reader.dir(), ": ", slice.name, ": found ", c10::toString(reader.dtype(slice.name)), " [",
          absl::StrJoin(reader.shape(slice.name), ", "), "], expected ",
          c10::toString(slice.data.scalar_type()), " [", absl::StrJoin(slice.shape, ", "), "]"));
    }
    at::Tensor into = slice.data;
    RETURN_IF_ERROR(reader.Read(slice.name, slice.begin, into, slice.columns));
  }
  return absl::OkStatus();
}

// Whether all numbers are finite: a sum of weights is, if and only if they are.
absl::Status CheckFinite(const CheckpointReader& reader, const std::vector<TensorSlice>& slices) {
  for (const TensorSlice& slice : slices) {
    if (std::isfinite(slice.data.sum().item<double>())) continue;
    return absl::DataLossError(absl::StrCat(reader.dir(), ": ", slice.name,
                                            ": found NaN or infinity, expected finite weights"));
  }
  return absl::OkStatus();
}

void AppendBuffers(Transformer& model, const std::string& prefix,
                   std::vector<TensorSlice>& slices) {
  for (const Transformer::Buffer& buffer : model.buffers()) {
    slices.push_back(
        {prefix + buffer.name, buffer.value.sizes().vec(), 0, buffer.value.reshape({-1})});
  }
}

// The copies of experts that this rank computes.
void AppendSlots(const ModelChunk& chunk, const FlatGroup& group,
                 std::vector<TensorSlice>& slices) {
  for (const Parameter* stack : group.parameters) {
    const ExpertPlacement& placement = chunk.model->placements()[stack->routed_layer];
    const int64_t per_rank = placement.slots_per_rank();
    const int64_t first = chunk.stage.groups.layout.expert_rank * per_rank;
    for (int64_t slot = 0; slot < per_rank; ++slot) {
      const int expert = placement.ExpertAt(static_cast<int>(first + slot));
      const at::Tensor weights = stack->slots[slot];
      slices.push_back({absl::StrCat(stack->prefix, expert, stack->suffix), weights.sizes().vec(),
                        0, weights.view({-1})});
    }
  }
}

// Appends the moments that this rank owns; only_written: those that it writes too.
void AppendMoments(TrainState& state, bool only_written, std::vector<TensorSlice>& slices) {
  for (size_t c = 0; c < state.optimizers.size(); ++c) {
    const ParameterStore& store = *state.model.chunks()[c].store;
    for (size_t g = 0; g < store.groups().size(); ++g) {
      const FlatGroup& group = store.groups()[g];
      if (only_written && !Writes(store, group)) continue;
      const int64_t begin = store.owned_begin(group);
      AppendSlices(group, begin, state.optimizers[c].first_moments()[g], kFirstMoment, slices);
      AppendSlices(group, begin, state.optimizers[c].second_moments()[g], kSecondMoment, slices);
    }
  }
}

}  // namespace

std::vector<TensorSlice> WeightSlices(RankModel& model, const std::string& prefix) {
  std::vector<TensorSlice> slices;
  for (const ModelChunk& chunk : model.chunks()) {
    const ParameterStore& store = *chunk.store;
    for (const FlatGroup& group : store.groups()) {
      if (!Writes(store, group)) continue;
      const int64_t begin = store.owned_begin(group);
      AppendSlices(group, begin, store.owned_values(group), prefix, slices);
    }
    if (chunk.stage.groups.replicas->rank() == 0) AppendBuffers(*chunk.model, prefix, slices);
  }
  return slices;
}

std::vector<TensorSlice> MomentSlices(TrainState& state) {
  std::vector<TensorSlice> slices;
  AppendMoments(state, /*only_written=*/true, slices);
  return slices;
}

std::vector<TensorSlice> HeldTensors(const ModelChunk& chunk) {
  std::vector<TensorSlice> slices;
  for (const FlatGroup& group : chunk.store->groups()) {
    AppendSlices(group, 0, group.values, "", slices);
    if (group.slot_values.defined()) AppendSlots(chunk, group, slices);
  }
  AppendBuffers(*chunk.model, "", slices);
  return slices;
}

std::vector<TensorSlice> HeldTensors(RankModel& model) {
  std::vector<TensorSlice> slices;
  for (const ModelChunk& chunk : model.chunks()) {
    for (TensorSlice& slice : HeldTensors(chunk)) slices.push_back(std::move(slice));
  }
  return slices;
}

absl::Status ReadWeights(const CheckpointReader& reader, const std::string& prefix,
                         RankModel& model) {
  c10::NoGradGuard no_grad;
  for (ModelChunk& chunk : model.chunks()) {
    std::vector<TensorSlice> slices = HeldTensors(chunk);
    for (TensorSlice& slice : slices) slice.name = prefix + slice.name;
    chunk.store->AllocateWeights();
    RETURN_IF_ERROR(ReadSlices(reader, slices));
    RETURN_IF_ERROR(CheckFinite(reader, slices));
    chunk.store->ReleaseWeights();
  }
  return absl::OkStatus();
}

absl::Status ReadMoments(const CheckpointReader& reader, TrainState& state) {
  c10::NoGradGuard no_grad;
  std::vector<TensorSlice> slices;
  AppendMoments(state, /*only_written=*/false, slices);
  return ReadSlices(reader, slices);
}

absl::StatusOr<std::string> HashOfWeights(RankModel& model) {
  const RankGroups& ranks = model.ranks();
  const WholeWeights whole(model.StoresByStage());
  return WeightsHash(*ranks.world, HeldTensors(model), ranks.tensor.get());
}

void CopyWeights(RankModel& from, RankModel& to) {
  c10::NoGradGuard no_grad;
  for (size_t c = 0; c < from.chunks().size(); ++c) {
    ModelChunk &source = from.chunks()[c], &target = to.chunks()[c];
    for (size_t g = 0; g < source.store->groups().size(); ++g) {
      const FlatGroup &have = source.store->groups()[g], &want = target.store->groups()[g];
      want.stored().copy_(have.stored());
      if (have.slot_values.defined()) want.slot_values.copy_(have.slot_values);
    }
    target.model->placements() = source.model->placements();
    for (size_t b = 0; b < source.model->buffers().size(); ++b)
      target.model->buffers()[b].value.copy_(source.model->buffers()[b].value);
  }
}

}  // namespace deduce
