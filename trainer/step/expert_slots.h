// Places routed experts by their load (EPLB, parallel/experts/expert_balance), with copies of the
// busy ones. Only the work is placed: slots hold copies of weights for forward and backward, and
// their gradients go home before the sum over the data axis. Weights and moments stay with the
// ranks that the experts' numbers give them to, which also write checkpoints.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "parallel/rank_groups.h"
#include "trainer/model/transformer.h"
#include "trainer/step/parameter_store.h"

namespace deduce {

class ExpertSlots {
 public:
  // Places experts as if all were equally busy. Nothing owned; the store has slots
  // (FlatGroup::slot_values), of the same model. Fill is still to be called.
  ExpertSlots(Transformer& model, ParameterStore& store, const RankGroups& groups);

  // Collective over the expert group. Copies each expert's weights from home to its slots. To be
  // called after every change of weights or places.
  void Fill();

  // Adds up loads, int64 [routed layers here, experts], of the whole step: the same on all ranks.
  void CountLoad(const at::Tensor& load_le);

  // Places experts by the load counted since the last placement. Changes no result.
  void Rebalance();

  // Collective over the expert group. by_source: for each source, in order, the sum of the
  // gradients of its micro-batches by slot, a flat tensor in the order of slot_values; undefined
  // for those that have none, which come last. Returns the sum over sources of this rank's experts,
  // in the order of the group's values and with the bits of TreeSum; undefined without any source.
  at::Tensor GatherGradients(const std::vector<at::Tensor>& by_source) const;

 private:
  FlatGroup& group() const;
  at::Tensor ExpertGradients(const Parameter& stack, int64_t slots_begin,
                             const std::vector<at::Tensor>& by_source) const;
  std::vector<int> Place(const std::vector<double>& load) const;

  Transformer& model_;
  ParameterStore& store_;
  const RankGroups& groups_;
  at::Tensor load_le_;  // since the last placement
};

}  // namespace deduce
