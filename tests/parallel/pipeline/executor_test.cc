#include "parallel/pipeline/executor.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "parallel/pipeline/make_plan.h"
#include "parallel/pipeline/peak_memory.h"
#include "parallel/pipeline/schedule/make_schedule.h"
#include "tests/testing/rank_group.h"

namespace deduce {
namespace {

// Tensors that the stages of a rank have been asked for and have not used yet.
struct Asked {
  int now = 0, most = 0;
  int pairs = 0;
};

// Stage s of S computes x * 2 + s, with a weight gradient of x times the output's. Numbers are
// small integers, so sums are the same in any order.
class ToyStage : public ChunkWork {
 public:
  // shards_weights: work that reads weights expects them gathered.
  ToyStage(int stage, int last, bool shards_weights = false, Asked* asked = nullptr)
      : stage_(stage), last_(last), are_here_(!shards_weights), asked_(asked) {}

  at::Tensor EmptyInput(int micro_batch) override {
    if (asked_ != nullptr) asked_->most = std::max(asked_->most, ++asked_->now);
    return at::empty({micro_batch + 1});
  }
  at::Tensor EmptyOutput(int micro_batch) override { return EmptyInput(micro_batch); }

  at::Tensor Forward(int m, const at::Tensor& input) override {
    EXPECT_EQ(input.defined(), stage_ > 0);
    EXPECT_TRUE(are_here_);
    inputs_[m] = stage_ == 0 ? at::full({m + 1}, static_cast<float>(m)) : input;
    const at::Tensor output = inputs_[m] * 2 + stage_;
    return stage_ == last_ ? at::Tensor() : output;
  }
  at::Tensor Backward(int m, const at::Tensor& grad_output) override {
    const at::Tensor grad_input = InputGradient(m, grad_output);
    WeightGradient(m);
    return grad_input;
  }
  at::Tensor InputGradient(int m, const at::Tensor& grad_output) override {
    EXPECT_EQ(grad_output.defined(), stage_ < last_);
    EXPECT_TRUE(are_here_);
    gradients_[m] = stage_ == last_ ? at::full({m + 1}, 1.0F) : grad_output;
    return stage_ == 0 ? at::Tensor() : gradients_[m] * 2;
  }
  void WeightGradient(int m) override {
    weight_gradient_ += (inputs_.at(m) * gradients_.at(m)).sum().item<double>();
    inputs_.erase(m);
    gradients_.erase(m);
  }
  PairResult ForwardAndBackward(const Pair& pair, ChunkWork& other) override {
    if (asked_ != nullptr) ++asked_->pairs;
    return ChunkWork::ForwardAndBackward(pair, other);
  }
  void Reduce() override { ++reduced_; }
  void GatherWeights() override { are_here_ = true; }
  void ReleaseWeights() override { are_here_ = false; }

  int stage() const { return stage_; }
  double weight_gradient() const { return weight_gradient_; }
  bool done() const { return inputs_.empty() && gradients_.empty() && reduced_ == 1; }

 private:
  int stage_, last_;
  std::map<int, at::Tensor> inputs_, gradients_;
  double weight_gradient_ = 0;
  bool are_here_;
  Asked* asked_;
  int reduced_ = 0;
};

// What stage s gets of micro-batch m: x -> 2 x + s, from x = m, times its gradient 2^(last - s),
// for each of m + 1 elements.
double WeightGradientOf(int stage, int last, int micro_batch) {
  double x = micro_batch;
  for (int s = 0; s < stage; ++s) x = 2 * x + s;
  return x * (1 << (last - stage)) * (micro_batch + 1);
}

void ExpectEveryStageComputes(const std::string& name, int num_ranks, int num_micro_batches,
                              bool shards_weights = false) {
  SCOPED_TRACE(name);
  RunRanks(num_ranks, [&](Communicator& world) {
    const int padded = PaddedMicroBatches(name, num_ranks, num_micro_batches);
    Plan plan = MakePlan(MakeSchedule(name, num_ranks, *NumChunks(name, num_ranks, 0), padded));
    if (shards_weights) plan = WithShardedWeights(std::move(plan));
    const Schedule& schedule = plan.schedule;
    const int last = schedule.num_stages() - 1;
    Asked asked;
    std::vector<std::unique_ptr<ToyStage>> stages(schedule.num_chunks);
    std::vector<int> paths(schedule.num_chunks);
    for (size_t path = 0; path < schedule.paths.size(); ++path) {
      for (int stage = 0; stage <= last; ++stage) {
        const Place place = schedule.paths[path][stage];
        if (place.rank != world.rank()) continue;
        stages[place.chunk] = std::make_unique<ToyStage>(stage, last, shards_weights, &asked);
        paths[place.chunk] = static_cast<int>(path);
      }
    }
    std::vector<ChunkWork*> driven;
    for (const auto& stage : stages) driven.push_back(stage.get());
    Execute(plan, driven, world);
    int pairs = 0;
    for (const Step& step : schedule.ranks[world.rank()]) pairs += step.second.has_value();
    EXPECT_EQ(asked.pairs, pairs);
    for (int chunk = 0; chunk < schedule.num_chunks; ++chunk) {
      double expected = 0;
      for (int m = 0; m < padded; ++m) {
        if (schedule.path_of[m] == paths[chunk])
          expected += WeightGradientOf(stages[chunk]->stage(), last, m);
      }
      EXPECT_EQ(stages[chunk]->weight_gradient(), expected) << "stage " << stages[chunk]->stage();
      EXPECT_TRUE(stages[chunk]->done());
    }
  });
}

TEST(ExecutorTest, EveryScheduleComputesEveryGradientOnTwoRanks) {
  for (const char* name :
       {"gpipe", "1f1b", "interleaved_1f1b", "zb_h1", "zbv", "dualpipe", "dualpipev"})
    ExpectEveryStageComputes(name, 2, 5);
}

TEST(ExecutorTest, EveryScheduleComputesEveryGradientOnFourRanks) {
  for (const char* name : {"1f1b", "interleaved_1f1b", "zb_h1", "zbv", "dualpipe", "dualpipev"})
    ExpectEveryStageComputes(name, 4, 8);
}

TEST(ExecutorTest, ShardedWeightsAreGatheredWhereTheyAreRead) {
  for (const char* name : {"gpipe", "1f1b", "interleaved_1f1b", "zb_h1", "zbv", "dualpipev"})
    ExpectEveryStageComputes(name, 2, 5, /*shards_weights=*/true);
}

// Stages whose work gives back what it was given to fill.
class CountingStage : public ToyStage {
 public:
  CountingStage(int stage, int last, Asked& asked)
      : ToyStage(stage, last, /*shards_weights=*/false, &asked), count_(asked) {}
  at::Tensor Forward(int m, const at::Tensor& input) override {
    count_.now -= input.defined();
    return ToyStage::Forward(m, input);
  }
  at::Tensor InputGradient(int m, const at::Tensor& grad_output) override {
    count_.now -= grad_output.defined();
    return ToyStage::InputGradient(m, grad_output);
  }

 private:
  Asked& count_;
};

TEST(ExecutorTest, ReceivedTensorsAreMadeWhenThePlanBeginsTheirReceives) {
  for (const char* name : {"gpipe", "1f1b", "zb_h1"}) {
    RunRanks(4, [&](Communicator& world) {
      const Plan plan = MakePlan(MakeSchedule(name, 4, 1, 12));
      Asked asked;
      CountingStage stage(world.rank(), 3, asked);
      Execute(plan, {&stage}, world);
      EXPECT_EQ(asked.most, PeakReceives(plan.ranks[world.rank()])) << name;
    });
  }
}

TEST(ExecutorTest, AReceiveThatNobodyHasBegunIsAnError) {
  RunRanks(1, [](Communicator& world) {
    Plan plan = MakePlan(MakeSchedule("1f1b", 2, 1, 1));
    plan.ranks[0] = {{PlanOp::kReceiveGradient, 0, 0, 1}};
    ToyStage stage(0, 1);
    EXPECT_THROW(Execute(plan, {&stage}, world), c10::Error);
  });
}

TEST(ExecutorTest, OneRankIsAPipelineOfOneStage) { ExpectEveryStageComputes("zb_h1", 1, 3); }

TEST(ExecutorTest, WhatAPlanTakesBeforeItIsThereIsNamed) {
  RunRanks(1, [](Communicator& world) {
    Plan plan = MakePlan(MakeSchedule("1f1b", 1, 1, 1));
    plan.schedule.paths = {{{0, 0}, {0, 1}}};  // a second stage, whose input nobody makes
    plan.schedule.num_chunks = 2;
    plan.ranks = {{{.op = PlanOp::kForward, .chunk = 1, .micro_batch = 0}}};
    ToyStage first(0, 1), second(1, 1);
    EXPECT_THROW(Execute(plan, {&first, &second}, world), c10::Error);
  });
}

}  // namespace
}  // namespace deduce
