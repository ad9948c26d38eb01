#include "trainer/step/expert_slots.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "kernels/host_values.h"
#include "parallel/experts/expert_balance.h"

namespace deduce {
namespace {

using SourceClass = ExpertPlacement::SourceClass;

// T(first, stride) of TreeSum's comment from the sums of classes, in the order of the classes.
// `next` is the first one that has not been used.
at::Tensor JoinClasses(const std::vector<SourceClass>& classes, const std::vector<at::Tensor>& sums,
                       int first, int stride, size_t& next) {
  if (classes[next].first == first && classes[next].stride == stride) return sums[next++];
  at::Tensor left = JoinClasses(classes, sums, first, 2 * stride, next);
  const at::Tensor right = JoinClasses(classes, sums, first + stride, 2 * stride, next);
  return left.add_(right);
}

std::vector<double> Row(const at::Tensor& load_le, int64_t layer) {
  const std::vector<int64_t> load = HostValues<int64_t>(load_le[layer]);
  return {load.begin(), load.end()};
}

}  // namespace

ExpertSlots::ExpertSlots(Transformer& model, ParameterStore& store, const RankGroups& groups)
    : model_(model),
      store_(store),
      groups_(groups),
      load_le_(
          at::zeros(model.expert_load_le().sizes(), at::TensorOptions(at::kCPU).dtype(at::kLong))) {
  Rebalance();
}

FlatGroup& ExpertSlots::group() const {
  const auto found =
      std::find_if(store_.groups().begin(), store_.groups().end(),
                   [](const FlatGroup& group) { return group.slot_values.defined(); });
  TORCH_CHECK(found != store_.groups().end(), "ExpertSlots: found a store without slots");
  return *found;
}

void ExpertSlots::CountLoad(const at::Tensor& load_le) { load_le_.add_(load_le.cpu()); }

std::vector<int> ExpertSlots::Place(const std::vector<double>& load) const {
  const Layout& layout = groups_.layout;
  return PlaceExperts(load, static_cast<int>(load.size()) + layout.redundant_experts,
                      {.num_nodes = layout.expert_nodes,
                       .num_ranks = layout.expert_parallel,
                       .num_expert_groups = static_cast<int>(model_.config().moe().n_group())});
}

void ExpertSlots::Rebalance() {
  for (size_t layer = 0; layer < model_.placements().size(); ++layer) {
    std::vector<double> load = Row(load_le_, static_cast<int64_t>(layer));
    if (std::accumulate(load.begin(), load.end(), 0.0) == 0) load.assign(load.size(), 1);
    model_.placements()[layer] =
        ExpertPlacement(Place(load), static_cast<int>(load.size()), groups_.layout.expert_parallel);
  }
  load_le_.zero_();
}

void ExpertSlots::Fill() {
  const c10::NoGradGuard no_grad;
  const int ranks = groups_.experts->size(), me = groups_.experts->rank();
  for (Parameter* stack : group().parameters) {
    const ExpertPlacement& placement = model_.placements()[stack->routed_layer];
    const int64_t experts = stack->value.size(0);
    const int per_rank = placement.slots_per_rank();
    std::vector<int64_t> sent, send_rows(ranks, 0), filled, receive_rows(ranks, 0);
    for (int slot = 0; slot < placement.num_slots(); ++slot) {
      if (placement.HomeOf(placement.ExpertAt(slot)) != me) continue;
      sent.push_back(placement.ExpertAt(slot) - me * experts);
      ++send_rows[placement.RankOf(slot)];
    }
    for (int home = 0; home < ranks; ++home) {
      for (int slot = 0; slot < per_rank; ++slot) {
        if (placement.HomeOf(placement.ExpertAt(me * per_rank + slot)) != home) continue;
        filled.push_back(slot);
        ++receive_rows[home];
      }
    }
    const at::TensorOptions index_options = stack->value.options().dtype(at::kLong);
    const at::Tensor weights = at::index_select(stack->value, 0, at::tensor(sent, index_options));
    const at::Tensor received = groups_.experts->AllToAll(weights, send_rows, receive_rows);
    stack->slots.index_copy_(0, at::tensor(filled, index_options), received);
  }
}

at::Tensor ExpertSlots::GatherGradients(const std::vector<at::Tensor>& by_source) const {
  std::vector<at::Tensor> present;
  for (const at::Tensor& sum : by_source) {
    if (sum.defined()) present.push_back(sum);
  }
  if (present.empty()) return {};
  FlatGroup& group = this->group();
  at::Tensor gathered = at::empty({group.values.numel()}, group.values.options());
  int64_t begin = 0, slots_begin = 0;
  for (const Parameter* stack : group.parameters) {
    const int64_t count = stack->value.numel();
    gathered.narrow(0, begin, count)
        .view(stack->value.sizes())
        .copy_(ExpertGradients(*stack, slots_begin, present));
    begin += count;
    slots_begin += stack->slots.numel();
  }
  return gathered;
}

// Each class of sources is added up where its slot is, and the classes of an expert at its home.
at::Tensor ExpertSlots::ExpertGradients(const Parameter& stack, int64_t slots_begin,
                                        const std::vector<at::Tensor>& by_source) const {
  const int ranks = groups_.experts->size(), me = groups_.experts->rank();
  const ExpertPlacement& placement = model_.placements()[stack.routed_layer];
  const int num_sources = static_cast<int>(by_source.size());
  const auto class_sum = [&](const SourceClass& sources) {
    std::vector<at::Tensor> parts;
    for (int source = sources.first; source < num_sources; source += sources.stride) {
      parts.push_back(by_source[source]
                          .narrow(0, slots_begin, stack.slots.numel())
                          .view(stack.slots.sizes())
                          .select(0, sources.slot % placement.slots_per_rank()));
    }
    return TreeSum(std::move(parts));
  };
  std::vector<at::Tensor> sent;
  std::vector<int64_t> send_rows(ranks, 0), receive_rows(ranks, 0);
  for (int expert = 0; expert < placement.num_experts(); ++expert) {
    for (const SourceClass& sources : placement.SourceClasses(expert, num_sources)) {
      const int rank = placement.RankOf(sources.slot), home = placement.HomeOf(expert);
      if (home == me) ++receive_rows[rank];
      if (rank != me) continue;
      sent.push_back(class_sum(sources));
      ++send_rows[home];
    }
  }
  std::vector<int64_t> nothing = stack.value.sizes().vec();
  nothing[0] = 0;
  at::Tensor received = groups_.experts->AllToAll(
      sent.empty() ? at::empty(nothing, stack.value.options()) : at::stack(sent), send_rows,
      receive_rows);
  std::vector<int64_t> next_row(ranks, 0);  // of each rank's
  for (int r = 1; r < ranks; ++r) next_row[r] = next_row[r - 1] + receive_rows[r - 1];
  std::vector<at::Tensor> sums;
  const int experts = static_cast<int>(stack.value.size(0));
  for (int expert = me * experts; expert < (me + 1) * experts; ++expert) {
    const std::vector<SourceClass> classes = placement.SourceClasses(expert, num_sources);
    std::vector<at::Tensor> parts;
    for (const SourceClass& sources : classes)
      parts.push_back(received.select(0, next_row[placement.RankOf(sources.slot)]++));
    size_t next = 0;
    sums.push_back(JoinClasses(classes, parts, 0, 1, next));
  }
  return at::stack(sums);
}

}  // namespace deduce
