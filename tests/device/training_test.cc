// Training steps on a device, on one rank and on several, beside those on the CPU.
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "tests/device/on_both.h"
#include "tests/testing/rank_group.h"
#include "tests/trainer/long_prompt.h"
#include "trainer/step/cross_entropy.h"
#include "trainer/step/micro_batch_part.h"

namespace deduce {
namespace {

constexpr int64_t kSteps = 2;

Outcome Train(Communicator& world, const std::string& layout, const ModelConfig& model,
              at::ScalarType type, c10::Device device) {
  TinyTraining training(world, LayoutOf(layout), model, type, device);
  EXPECT_EQ(training.store().groups().front().values.device(), device);
  Outcome outcome;
  for (int64_t step = 0; step < kSteps; ++step) {
    const StepStats stats = training.Step(TinyChunkTrainer(), step);
    EXPECT_TRUE(stats.finite);
    for (const auto& [name, loss] : stats.losses) outcome.numbers.push_back(loss);
    for (const double number :
         {stats.grad_norm, stats.max_over_mean_load, stats.max_over_mean_rank_load})
      outcome.numbers.push_back(number);
    for (const auto& [name, sum] : stats.metric_sums) outcome.numbers.push_back(sum);
  }
  AddWeights(*training.model, outcome);
  return outcome;
}

void ExpectAsOnTheCpu(int num_ranks, const std::string& layout, const ModelConfig& model,
                      at::ScalarType type) {
  RunRanks(num_ranks, [&](Communicator& world) {
    ExpectEqual(Train(world, layout, model, type, SimulatedDevice()),
                Train(world, layout, model, type, c10::kCPU), BoundOf(type));
  });
}

// Grouped-query attention with biases, and a tied head.
ModelConfig DenseModel() {
  ModelConfig config = DeepTiedModel();
  config.set_num_hidden_layers(2);
  return config;
}

TEST(DeviceTrainingTest, DenseModel) {
  ExpectAsOnTheCpu(1, "", DenseModel(), at::kFloat);
  ExpectAsOnTheCpu(1, "", DenseModel(), at::kDouble);
}

// Latent attention, experts, prediction module.
TEST(DeviceTrainingTest, RoutedModel) {
  ExpectAsOnTheCpu(1, "", TinyTrainingModel(), at::kFloat);
  ExpectAsOnTheCpu(1, "", TinyTrainingModel(), at::kDouble);
}

TEST(DeviceTrainingTest, RecomputedActivations) {
  ExpectAsOnTheCpu(1, "recompute: selective", TinyTrainingModel(), at::kDouble);
}

// Weight gradients apart from input gradients, and an embedding on both ends.
TEST(DeviceTrainingTest, Pipeline) {
  ExpectAsOnTheCpu(2, "pipeline_parallel: 2 schedule: \"zb_h1\"", TinyTrainingModel(), at::kDouble);
  ExpectAsOnTheCpu(2, "pipeline_parallel: 2 recompute: full", DenseModel(), at::kDouble);
}

TEST(DeviceTrainingTest, ExpertsPlacedByLoad) {
  ExpectAsOnTheCpu(2, "expert_parallel: 2 rebalance_every: 1 redundant_experts: 2",
                   TinyTrainingModel(), at::kDouble);
}

TEST(DeviceTrainingTest, ShardedWeights) {
  ExpectAsOnTheCpu(2, "zero_stage: 3", TinyTrainingModel(), at::kDouble);
  ExpectAsOnTheCpu(2, "zero_stage: 3 exact: false", DenseModel(), at::kDouble);
}

TEST(DeviceTrainingTest, RingOfContextRanks) {
  ExpectAsOnTheCpu(2, "context_parallel: 2 exact: false", TinyTrainingModel(), at::kDouble);
}

TEST(DeviceTrainingTest, ContextRanksWithGatheredKeys) {
  ExpectAsOnTheCpu(2, "context_parallel: 2 context_keys: gathered exact: false",
                   TinyTrainingModel(), at::kDouble);
}

TEST(DeviceTrainingTest, TensorRanks) {
  ExpectAsOnTheCpu(2, "tensor_parallel: 2 exact: false", TinyTrainingModel(), at::kDouble);
}

TEST(DeviceTrainingTest, NumbersThatADeviceWouldTakeForAddressesAreCheckedBeforeABatchIsMoved) {
  const auto world = MakeOneMemberCommunicator();
  TinyTraining training(*world, LayoutOf(""), DenseModel(), at::kFloat, SimulatedDevice());
  PackedBatch batch = LongPrompt(1);
  EXPECT_EQ(OnDeviceOf(training.transformer(), batch).tokens_x.device(), SimulatedDevice());
  batch.targets_x = batch.targets_x.add(training.model->config().vocab_size());
  EXPECT_THROW(OnDeviceOf(training.transformer(), batch), c10::Error);
}

// What the host reads in a step of so many micro-batches.
HostReads ReadsOfStep(size_t micro_batches) {
  const auto world = MakeOneMemberCommunicator();
  TinyTraining training(*world, LayoutOf(""), TinyTrainingModel(), at::kFloat, SimulatedDevice());
  const CrossEntropy objective(/*next_token_weight=*/0.3);
  StepBatch batch;
  batch.micro_batches.assign(micro_batches, LongPrompt(1));
  const auto n = static_cast<double>(micro_batches);
  batch.counts = objective.MakeCounts(9 * n, 8 * n);
  const HostReads before = SimulatedHostReads();
  TrainStep(*training.state, batch, objective, {.learning_rate = 1e-3});
  const HostReads after = SimulatedHostReads();
  return {after.numbers - before.numbers, after.tensors - before.tensors};
}

// The host has to know how many rows go to which expert.
TEST(DeviceTrainingTest, AMicroBatchIsReadOnceARoutedLayer) {
  const HostReads few = ReadsOfStep(1), more = ReadsOfStep(4);
  EXPECT_EQ(few.numbers, 0);
  EXPECT_EQ(more.numbers, 0);
  EXPECT_EQ(more.tensors - few.tensors, 3 * NumRoutedLayers(TinyTrainingModel()));
}

}  // namespace
}  // namespace deduce
