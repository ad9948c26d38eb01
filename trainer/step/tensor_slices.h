// A training state as a checkpoint holds it: logical tensors under their Hugging Face names,
// their moments under "optimizer.first." and "optimizer.second.", and the reference weights under
// "reference.".
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/checkpoint/checkpoint_reader.h"
#include "trainer/step/rank_model.h"
#include "trainer/step/train_step.h"

namespace deduce {

inline constexpr char kReferencePrefix[] = "reference.";

// This rank's part of the weights and routing biases: over all ranks every element exactly once.
std::vector<TensorSlice> WeightSlices(RankModel& model, const std::string& prefix = "");

// This rank's part of the optimizer's moments.
std::vector<TensorSlice> MomentSlices(TrainState& state);

// All logical tensors this rank holds, each whole, or this rank's piece of it where the tensor axis
// splits it. With them the copies of experts that it computes. Weights that are sharded have memory
// while they are gathered or allocated only.
std::vector<TensorSlice> HeldTensors(const ModelChunk& chunk);
std::vector<TensorSlice> HeldTensors(RankModel& model);

// Collective over the world of the model's ranks. WeightsHash of all that they hold.
absl::StatusOr<std::string> HashOfWeights(RankModel& model);

// Reads what this rank holds, from a checkpoint of any layout. Error: InvalidArgument or DataLoss
// naming the tensor, with shape found and expected; a model is then partly overwritten and must not
// be used.
absl::Status ReadWeights(const CheckpointReader& reader, const std::string& prefix,
                         RankModel& model);
absl::Status ReadMoments(const CheckpointReader& reader, TrainState& state);

// Copies weights, routing biases and places of experts between two models of one configuration and
// layout.
void CopyWeights(RankModel& from, RankModel& to);

}  // namespace deduce
