// One stage of the pipeline in a training step: forward, loss, backward and gradients of its
// micro-batches. A model on one rank is one stage.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "configs/layout.pb.h"
#include "data/records/batch.h"
#include "kernels/backward/weight_gradient.h"
#include "parallel/pipeline/executor.h"
#include "parallel/reduce/gradient_reducer.h"
#include "parallel/reduce/gradient_tree.h"
#include "trainer/step/leaf_gradients.h"
#include "trainer/step/micro_batch_part.h"
#include "trainer/step/objective.h"
#include "trainer/step/rank_model.h"
#include "trainer/step/step_numbers.h"

namespace deduce {

// The same for all stages of a rank. Not owned.
struct StepWork {
  const std::vector<PackedBatch>& micro_batches;  // of the step
  const std::vector<int64_t>& micro_batch_of;     // by the plan's
  const Objective& objective;
  const Counts& counts;
  LayoutConfig::Recompute recompute = LayoutConfig::none;
  StepNumbers& numbers;  // of loss components, as LossNumber names them, and the objective's

  // The name of an objective's component among the numbers.
  static std::string LossNumber(const std::string& component) { return "loss/" + component; }

  bool Uses(Head head) const;
};

class ChunkTrainer : public ChunkWork {
 public:
  ChunkTrainer(ModelChunk& chunk, const StepWork& work);

  at::Tensor EmptyInput(int micro_batch) override;
  at::Tensor EmptyOutput(int micro_batch) override { return EmptyInput(micro_batch); }
  at::Tensor Forward(int micro_batch, const at::Tensor& input_xd) override;
  at::Tensor Backward(int micro_batch, const at::Tensor& grad_output_xd) override;
  at::Tensor InputGradient(int micro_batch, const at::Tensor& grad_output_xd) override;
  void WeightGradient(int micro_batch) override;
  void Reduce() override;
  void GatherWeights() override { chunk_.store->GatherWeights(); }
  void ReleaseWeights() override { chunk_.store->ReleaseWeights(); }

  // Collective over each group's holders, after Reduce. Waits for the sums that it has started.
  void FinishSums();
  // After FinishSums: for each group of the chunk's store, this rank's shard of the gradient.
  std::vector<at::Tensor>& shards() { return shards_; }

 private:
  // Kept by forward for backward.
  struct Held {
    at::Tensor input_xd;     // leaf; undefined for the first stage
    bool has_graph = false;  // else forward is to be run again
    at::Tensor output_xd;    // undefined for the last stage
    std::vector<LossComponent> components;
  };
  // Kept by the first half of backward for the second.
  struct Deferred {
    DeferredWeightGradients::Work work;
    std::vector<std::pair<at::Tensor, at::Tensor>> done;  // leaves and gradients that did not wait
  };

  // By group and source; undefined until they are written.
  using GradientBuffers = std::vector<std::vector<at::Tensor>>;
  // A group's gradient during the last backward, added to its sum parameter by parameter.
  struct EarlySum {
    std::vector<bool>
        is_added;  // by parameter; empty before that backward, or if it does not start early
    std::unique_ptr<GradientReduction> reduction;  // from the first one on
  };

  const MicroBatchPart& Part(int micro_batch);
  bool IsReal(int micro_batch) const;
  Held Compute(int micro_batch, const at::Tensor& input_xd);
  // The balance losses of this chunk's routed layers.
  std::vector<LossComponent> BalanceComponents(const ForwardResult& forward) const;
  LossContext ContextOf(const MicroBatchPart& part, const ForwardResult& forward) const;
  // The number by which the step's sum of a component is divided.
  double Divisor(const LossComponent& component) const;
  // index: which of the micro-batch's numbers of this name, of how many.
  void Report(int micro_batch, const std::string& name, const at::Tensor& value, double divisor = 1,
              int64_t index = 0, int64_t num = 1);
  // Runs autograd; returns the gradient of the input.
  at::Tensor RunBackward(int micro_batch, const at::Tensor& grad_output_xd);
  GradientBuffers NoBuffers() const;
  at::Tensor Buffer(GradientBuffers& buffers, size_t group, int source);
  void PlaceGradients(GradientBuffers& buffers, GradientPlaces& places);
  void CollectGradients(int micro_batch, GradientBuffers buffers);
  std::vector<std::unique_ptr<FinalGradients>> StartEarly(int micro_batch,
                                                          GradientBuffers& buffers);
  void AddFinalGradient(size_t group, size_t parameter, at::Tensor flat);
  int NumPresent(const FlatGroup& group) const;
  void StartSums(size_t group, std::vector<at::Tensor> sources, int num_present);
  void FinishSums(size_t group);
  int SourceReplica(const FlatGroup& group, int source) const;

  ModelChunk& chunk_;
  const StepWork& work_;
  const PackedBatch empty_;
  std::map<int, MicroBatchPart> parts_;
  const int64_t routed_layers_before_;
  std::map<int, Held> held_;
  std::map<int, Deferred> deferred_;
  std::vector<std::vector<GradientTree>> trees_;  // by group and source
  std::vector<std::vector<at::Tensor>> free_;     // by group: buffers of gradients to come
  const std::unique_ptr<GradientReducer> reducer_;
  std::vector<EarlySum> early_;  // by group
  // By group: sums over the holders that have been started, and what they come to.
  std::vector<std::vector<std::unique_ptr<GradientReduction>>> started_;
  std::vector<at::Tensor> shards_;
};

}  // namespace deduce
