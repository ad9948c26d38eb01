#include "trainer/step/train_step.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/testing/rank_group.h"
#include "tests/trainer/long_prompt.h"
#include "tests/trainer/pipeline_layouts.h"
#include "tests/trainer/tiny_training.h"
#include "trainer/step/cross_entropy.h"

namespace deduce {
namespace {

struct Outcome {
  std::string hash;
  std::vector<double> losses;
  std::vector<double> norms;
  bool operator==(const Outcome&) const = default;
};

// Three steps on a layout; what rank 0 has at the end.
Outcome Train(int num_ranks, int expert_parallel, bool sharded) {
  Outcome outcome;
  RunRanks(num_ranks, [&](Communicator& world) {
    TinyTraining training(world, expert_parallel, sharded);
    Outcome own;
    for (int64_t step = 0; step < 3; ++step) {
      const StepStats stats = training.Step(TinyChunkTrainer(), step);
      own.losses.push_back(stats.Loss() + stats.Loss("mtp_loss") + stats.Loss("balance_loss"));
      own.norms.push_back(stats.grad_norm);
    }
    own.hash = training.Hash();
    if (world.rank() == 0) outcome = own;
  });
  return outcome;
}

TEST(TrainStepTest, DataParallelRanksHaveTheBitsOfOneRank) {
  EXPECT_EQ(Train(2, 1, true), Train(1, 1, true));
}

TEST(TrainStepTest, ExpertParallelRanksHaveTheBitsOfOneRank) {
  EXPECT_EQ(Train(2, 2, true), Train(1, 1, true));
}

TEST(TrainStepTest, FourRanksOfBothKindsHaveTheBitsOfOneRank) {
  EXPECT_EQ(Train(4, 2, true), Train(1, 1, true));
}

TEST(TrainStepTest, ShardedOptimizerHasTheBitsOfAWholeOne) {
  EXPECT_EQ(Train(2, 1, false), Train(2, 1, true));
}

TEST(TrainStepTest, LossFallsOnARepeatedBatch) {
  RunRanks(1, [](Communicator& world) {
    TinyTraining training(world, 1, true);
    const double first = training.Step(TinyChunkTrainer(), 0).Loss();
    double last = first;
    for (int i = 0; i < 10; ++i) last = training.Step(TinyChunkTrainer(), 0).Loss();
    EXPECT_LT(last, first - 0.3);
  });
}

TEST(TrainStepTest, MicroBatchSplitChangesTheGradientOnlyByRounding) {
  const auto norm = [](int64_t micro_batch_tokens) {
    double result = 0;
    RunRanks(1, [&](Communicator& world) {
      StageConfig stage = TinyChunkTrainer();
      stage.set_micro_batch_tokens(micro_batch_tokens);
      TinyTraining training(world, 1, true);
      result = training.Step(stage, 0).grad_norm;
    });
    return result;
  };
  const double whole = norm(4096);
  EXPECT_NEAR(norm(64), whole, 1e-5 * whole);
}

TEST(TrainStepTest, LeavingOutAPromptsLogProbsIsGivingThemNoWeight) {
  // Rounding aside; a weight of 1e-20 is not left out.
  const auto first_moments = [](float prompt_weight) {
    std::vector<at::Tensor> moments;
    RunRanks(1, [&](Communicator& world) {
      TinyTraining training(world, 1, true);
      const StepBatch batch{{LongPrompt(prompt_weight)}, {{"tokens", 2}, {"next_tokens", 2}}};
      TrainStep(*training.state, batch, CrossEntropy(0.3), {});
      moments = training.state->optimizers[0].first_moments();
    });
    return moments;
  };
  const std::vector<at::Tensor> left_out = first_moments(0), weighed = first_moments(1e-20F);
  ASSERT_EQ(left_out.size(), weighed.size());
  for (size_t i = 0; i < weighed.size(); ++i) {
    const double largest = weighed[i].abs().max().item<double>();
    EXPECT_GT(largest, 0);
    EXPECT_LE((left_out[i] - weighed[i]).abs().max().item<double>(), 1e-5 * largest) << i;
  }
}

TEST(TrainStepTest, NonFiniteGradientSkipsTheUpdateOnAllRanks) {
  RunRanks(2, [](Communicator& world) {
    TinyTraining training(world, 1, true);
    StageConfig stage = TinyChunkTrainer();
    const auto poison = [&](float value) {  // the same on both ranks, so the copies still agree
      training.store().groups()[0].values[3] = value;
    };
    poison(std::numeric_limits<float>::quiet_NaN());
    const StepStats stats = training.Step(stage, 0);
    EXPECT_FALSE(stats.finite);
    EXPECT_EQ(training.state->num_updates(), 0);
    poison(0.01F);
    EXPECT_TRUE(training.Step(stage, 0).finite);
  });
}

TEST(TrainStepTest, ClippedGradientHasTheLimitAsNorm) {
  // With AdamW the first step's size hides the norm, so compare first moments: (1 - beta1) *
  // gradient.
  RunRanks(1, [](Communicator& world) {
    StageConfig stage = TinyChunkTrainer();
    stage.mutable_optimizer()->set_max_grad_norm(0.01);
    TinyTraining training(world, 1, true);
    const StepStats stats = training.Step(stage, 0);
    EXPECT_GT(stats.grad_norm, 0.01);
    double squares = 0;
    for (const at::Tensor& first : training.state->optimizers[0].first_moments()) {
      squares += first.to(at::kDouble).square().sum().item<double>();
    }
    EXPECT_NEAR(std::sqrt(squares) / (1 - stage.optimizer().beta1()), 0.01, 1e-6);
  });
}

// Wants more than a supervised batch has.
class AdvantageObjective : public CrossEntropy {
 public:
  std::vector<Column> columns() const override { return {Column::kWeight, Column::kAdvantage}; }
};

TEST(TrainStepTest, WhatTheObjectiveNeedsIsLookedForBeforeAnyWork) {
  RunRanks(1, [](Communicator& world) {
    TinyTraining training(world, TinyTraining::TinyLayout(1, true), DeepTiedModel());
    const std::vector<PackedBatch> batches = {LongPrompt(1)};
    const auto message = [&](const StepBatch& batch, const Objective& objective) {
      try {
        TrainStep(*training.state, batch, objective, {});
      } catch (const c10::Error& error) {
        return std::string(error.what_without_backtrace());
      }
      return std::string();
    };
    EXPECT_NE(message({batches, {{"tokens", 9}}}, AdvantageObjective()).find("column advantage"),
              std::string::npos);
    EXPECT_NE(message({batches, {{"tokens", 9}}}, CrossEntropy(0.3)).find("prediction module"),
              std::string::npos);
    PackedBatch outline;
    outline.sequence_starts = {0, 10};
    outline.sample_ids = {0};
    EXPECT_NE(
        message({{outline}, {{"tokens", 9}}}, CrossEntropy()).find("outline of micro-batch 0"),
        std::string::npos);
    EXPECT_NE(message({batches, {{"tokens", 0}}}, CrossEntropy()).find("count tokens 0"),
              std::string::npos);
    EXPECT_EQ(training.state->num_updates(), 0);
  });
}

}  // namespace
}  // namespace deduce
