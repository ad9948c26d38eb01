// Layouts that split tokens, or add up gradients in another order, against one rank: not the same
// bits, so how far apart they are is the claim. Run twice: ranks as threads, and as processes.
#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "tests/testing/rank_group.h"
#include "tests/trainer/pipeline_layouts.h"

namespace deduce {
namespace {

// In fp32 fewer: after more, weights are as far apart as the scores of two experts are for some
// token, which then goes to the other one, and no bound of rounding covers that (seen on an Intel
// Xeon).
int64_t NumSteps(at::ScalarType type) { return type == at::kDouble ? 10 : 3; }

// A weight, or this rank's piece of it: the run of `dimension` that begins at `begin`.
struct Weight {
  at::Tensor value;
  int64_t dimension = 0, begin = 0;
};

// Losses and gradient norms of the steps, and the weights after them by logical name.
struct Outcome {
  std::vector<double> numbers;
  std::map<std::string, Weight> weights;
};

void AddWeights(Transformer& model, std::map<std::string, Weight>& weights) {
  for (const Parameter& parameter : model.parameters()) {
    for (size_t i = 0; i < parameter.names.size(); ++i) {
      const at::Tensor value =
          parameter.names.size() == 1 ? parameter.value : parameter.value[static_cast<int64_t>(i)];
      const int64_t dimension = parameter.split == SplitBy::kColumns ? 1 : 0;
      weights[parameter.names[i]] = {value.detach().clone(), dimension,
                                     parameter.piece * value.size(dimension)};
    }
  }
}

Outcome Train(Communicator& world, const std::string& layout, const ModelConfig& model,
              at::ScalarType type) {
  StageConfig stage = TinyChunkTrainer();
  stage.set_steps(NumSteps(type));
  TinyTraining training(world, LayoutOf(layout), model, type);
  Outcome outcome;
  for (int64_t step = 0; step < NumSteps(type); ++step) {
    const StepStats stats = training.Step(stage, step);
    for (const double number : {stats.Loss(), stats.Loss("mtp_loss"), stats.Loss("balance_loss"),
                                stats.grad_norm, stats.max_over_mean_load})
      outcome.numbers.push_back(number);
  }
  const WholeWeights whole(training.model->StoresByStage());
  for (const ModelChunk& chunk : training.model->chunks())
    AddWeights(*chunk.model, outcome.weights);
  return outcome;
}

// Trained once in each process.
const Outcome& OnOneRank(const ModelConfig& model, at::ScalarType type) {
  static auto& known = *new std::map<std::pair<std::string, at::ScalarType>, Outcome>;
  const auto [found, is_new] = known.try_emplace({model.SerializeAsString(), type});
  if (is_new) {
    const auto self = MakeOneMemberCommunicator();
    found->second = Train(*self, "", model, type);
  }
  return found->second;
}

// What numbers (relative to 1 + their size) and weights may differ by after the last step.
struct Bound {
  double numbers, weights;
};

void ExpectWithin(const Bound& bound, int num_ranks, const std::string& layout,
                  const ModelConfig& model, at::ScalarType type) {
  const Outcome& expected = OnOneRank(model, type);
  RunRanks(num_ranks, [&](Communicator& world) {
    const Outcome found = Train(world, layout + " exact: false", model, type);
    double numbers = 0, weights = 0;
    for (size_t i = 0; i < expected.numbers.size(); ++i) {
      numbers = std::max(numbers, std::abs(found.numbers[i] - expected.numbers[i]) /
                                      (1 + std::abs(expected.numbers[i])));
    }
    for (const auto& [name, weight] : found.weights) {
      const at::Tensor piece = expected.weights.at(name).value.narrow(
          weight.dimension, weight.begin, weight.value.size(weight.dimension));
      weights = std::max(weights, (weight.value - piece).abs().max().item<double>());
    }
    EXPECT_LE(numbers, bound.numbers) << layout << " on rank " << world.rank();
    EXPECT_LE(weights, bound.weights) << layout << " on rank " << world.rank();
    if (world.rank() == 0)
      std::printf("%s, %s: numbers %.1e, weights %.1e\n", layout.c_str(), at::toString(type),
                  numbers, weights);
  });
}

// Ten steps of training in fp64 leave no room for a wrong sum: only its last bits.
constexpr Bound kFp64 = {1e-10, 1e-10};
// In fp32 a sum's rounding is 1e-7 of its largest term, and AdamW divides by the gradient's own
// size: where terms nearly cancel, that is a share of a step (3e-3), of which a tenth is allowed.
// Losses and norms are means over many weights.
constexpr Bound kFp32 = {1e-5, 3e-4};

void ExpectAsOneRank(int num_ranks, const std::string& layout, const ModelConfig& model) {
  ExpectWithin(kFp64, num_ranks, layout, model, at::kDouble);
  ExpectWithin(kFp32, num_ranks, layout, model, at::kFloat);
}

void ExpectAsOneRank(int num_ranks, const std::string& layout) {
  ExpectAsOneRank(num_ranks, layout, DeepRoutedModel());
  ExpectAsOneRank(num_ranks, layout, DeepTiedModel());
}

TEST(SplitLayoutsTest, TwoContextRanks) { ExpectAsOneRank(2, "context_parallel: 2"); }

TEST(SplitLayoutsTest, ThreeContextRanks) { ExpectAsOneRank(3, "context_parallel: 3"); }

TEST(SplitLayoutsTest, TwoContextRanksTwoDataRanks) {
  ExpectAsOneRank(4, "context_parallel: 2");
  ExpectAsOneRank(4, "context_parallel: 2 zero_stage: 0");
}

TEST(SplitLayoutsTest, TwoContextRanksWithGatheredKeys) {
  ExpectAsOneRank(2, "context_parallel: 2 context_keys: gathered");
  ExpectAsOneRank(2, "context_parallel: 2 context_keys: gathered recompute: selective");
  ExpectAsOneRank(4, "context_parallel: 2 context_keys: gathered tensor_parallel: 2",
                  DeepRoutedModel());
}

TEST(SplitLayoutsTest, TwoContextRanksTwoExpertRanks) {
  ExpectAsOneRank(4, "context_parallel: 2 expert_parallel: 2", DeepRoutedModel());
  ExpectAsOneRank(4, "context_parallel: 2 expert_parallel: 2 rebalance_every: 3",
                  DeepRoutedModel());
}

TEST(SplitLayoutsTest, TwoContextRanksTwoStages) {
  for (const char* schedule : {"1f1b", "zb_h1", "dualpipe"}) {
    ExpectAsOneRank(
        4, std::string("context_parallel: 2 pipeline_parallel: 2 schedule: \"") + schedule + "\"");
  }
}

TEST(SplitLayoutsTest, TwoContextRanksRecomputed) {
  ExpectAsOneRank(2, "context_parallel: 2 recompute: selective");
  ExpectAsOneRank(4, "context_parallel: 2 pipeline_parallel: 2 recompute: full");
}

// Grouped-query attention whose heads two tensor ranks can share, with every bias.
ModelConfig EvenHeadsModel() {
  ModelConfig config = DeepTiedModel();
  config.set_num_attention_heads(4);
  config.set_num_key_value_heads(2);
  config.set_o_bias(true);
  config.set_mlp_bias(true);
  config.set_qk_norm(true);
  return config;
}

void ExpectTensorAxisAsOneRank(int num_ranks, const std::string& layout) {
  ExpectAsOneRank(num_ranks, layout, DeepRoutedModel());
  ExpectAsOneRank(num_ranks, layout, EvenHeadsModel());
}

TEST(SplitLayoutsTest, TwoTensorRanks) { ExpectTensorAxisAsOneRank(2, "tensor_parallel: 2"); }

TEST(SplitLayoutsTest, TwoTensorRanksTwoDataRanks) {
  ExpectTensorAxisAsOneRank(4, "tensor_parallel: 2");
  ExpectTensorAxisAsOneRank(4, "tensor_parallel: 2 zero_stage: 0");
  ExpectTensorAxisAsOneRank(4, "tensor_parallel: 2 zero_stage: 2");
}

TEST(SplitLayoutsTest, TwoTensorRanksTwoContextRanks) {
  ExpectTensorAxisAsOneRank(4, "tensor_parallel: 2 context_parallel: 2");
}

TEST(SplitLayoutsTest, TwoTensorRanksTwoExpertRanks) {
  ExpectAsOneRank(4, "tensor_parallel: 2 expert_parallel: 2", DeepRoutedModel());
  ExpectAsOneRank(4, "tensor_parallel: 2 expert_parallel: 2 rebalance_every: 3", DeepRoutedModel());
}

TEST(SplitLayoutsTest, TwoTensorRanksTwoStages) {
  for (const char* schedule : {"1f1b", "zb_h1", "dualpipe"}) {
    ExpectTensorAxisAsOneRank(
        4, std::string("tensor_parallel: 2 pipeline_parallel: 2 schedule: \"") + schedule + "\"");
  }
}

TEST(SplitLayoutsTest, TwoTensorRanksRecomputed) {
  ExpectTensorAxisAsOneRank(2, "tensor_parallel: 2 recompute: selective");
  ExpectTensorAxisAsOneRank(4, "tensor_parallel: 2 pipeline_parallel: 2 recompute: full");
}

TEST(SplitLayoutsTest, EightRanksOfAllAxesButData) {
  ExpectTensorAxisAsOneRank(8, "tensor_parallel: 2 context_parallel: 2 pipeline_parallel: 2");
}

TEST(SplitLayoutsTest, EightRanksOfAllAxes) {
  ExpectAsOneRank(8, "context_parallel: 2 pipeline_parallel: 2 expert_parallel: 2",
                  DeepRoutedModel());
}

TEST(SplitLayoutsTest, ShardedSumsOfGradients) {
  ExpectAsOneRank(2, "zero_stage: 2");
  ExpectAsOneRank(4, "zero_stage: 2 expert_parallel: 2", DeepRoutedModel());
  ExpectAsOneRank(4, "zero_stage: 2 context_parallel: 2");
  for (const char* schedule : {"1f1b", "zb_h1", "zbv"}) {
    ExpectAsOneRank(
        4, std::string("zero_stage: 2 pipeline_parallel: 2 schedule: \"") + schedule + "\"");
  }
}

TEST(SplitLayoutsTest, ShardedWeightsAndSums) {
  ExpectAsOneRank(3, "zero_stage: 3 virtual_stages: 2 recompute: full");
  ExpectAsOneRank(4, "zero_stage: 3 virtual_stages: 4 expert_parallel: 2 schedule: \"gpipe\"",
                  DeepRoutedModel());
  ExpectAsOneRank(4, "zero_stage: 3 context_parallel: 2 virtual_stages: 2");
  ExpectTensorAxisAsOneRank(4, "zero_stage: 3 tensor_parallel: 2 virtual_stages: 2");
  ExpectAsOneRank(4, "zero_stage: 3 pipeline_parallel: 2 schedule: \"interleaved_1f1b\"");
}

TEST(SplitLayoutsTest, ThreeReplicas) { ExpectAsOneRank(3, "data_parallel: 3"); }

}  // namespace
}  // namespace deduce
