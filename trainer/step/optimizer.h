// AdamW (Loshchilov and Hutter 2019, algorithm 2) through ATen's fused kernel, with its moments
// sharded over the ranks that hold copies of a weight (ZeRO-1).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "configs/objective.pb.h"
#include "trainer/step/parameter_store.h"

namespace deduce {

class Optimizer {
 public:
  // Moments are zero and no step has been taken. `store` must outlive this.
  explicit Optimizer(ParameterStore& store);

  // Collective over each group's holders. One update of this rank's shards with their gradients
  // (fp32, one per group, as ReduceToShard returns them), after which all holders have all new
  // values, or their shares of weights that are sharded.
  void Step(const std::vector<at::Tensor>& shard_gradients, double learning_rate,
            const OptimizerConfig& config);

  int64_t num_updates() const { return num_updates_; }
  void set_num_updates(int64_t value) { num_updates_ = value; }

  // Per group of the store: first and second moments of this rank's shard, fp32.
  std::vector<at::Tensor>& first_moments() { return first_; }
  std::vector<at::Tensor>& second_moments() { return second_; }

 private:
  ParameterStore& store_;
  std::vector<at::Tensor> first_, second_;
  int64_t num_updates_ = 0;
};

}  // namespace deduce
