#include "trainer/step/shared_embedding.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/testing/rank_group.h"
#include "tests/trainer/pipeline_layouts.h"

namespace deduce {
namespace {

FlatGroup* EmbeddingOf(ModelChunk& chunk) {
  for (FlatGroup& group : chunk.store->groups()) {
    if (group.placement == Placement::kEmbedding) return &group;
  }
  return nullptr;
}

// Every chunk's gradient is 10 to the power of its stage: the first stage ends up with its own and
// the last one's.
void ExpectFirstStageGetsBoth(const std::string& schedule) {
  RunRanks(2, [&](Communicator& world) {
    TinyTraining training(world, LayoutOf("pipeline_parallel: 2 schedule: \"" + schedule + "\""),
                          DeepTiedModel());
    RankModel& model = *training.model;
    std::vector<std::vector<at::Tensor>> shards;
    for (ModelChunk& chunk : model.chunks()) {
      shards.emplace_back();
      for (const FlatGroup& group : chunk.store->groups())
        shards.back().push_back(at::full({group.values.numel()}, 1.0F + chunk.stage.stage));
    }
    std::vector<std::vector<at::Tensor>*> pointers;
    for (auto& each : shards) pointers.push_back(&each);
    AddSharedEmbedding(model, pointers);
    const int last = model.pipeline().num_stages() - 1;
    for (size_t c = 0; c < model.chunks().size(); ++c) {
      ModelChunk& chunk = model.chunks()[c];
      const FlatGroup* embedding = EmbeddingOf(chunk);
      EXPECT_EQ(embedding != nullptr, chunk.stage.stage == 0 || chunk.stage.stage == last);
      if (chunk.stage.stage != 0) continue;
      EXPECT_EQ(embedding->is_copy, false);
      const at::Tensor& sum = shards[c][embedding - chunk.store->groups().data()];
      EXPECT_EQ(sum.min().item<float>(), 1 + 1 + last);
      EXPECT_EQ(sum.max().item<float>(), 1 + 1 + last);
    }
  });
}

TEST(SharedEmbeddingTest, TheFirstStageGetsTheSumOfBothEnds) {
  ExpectFirstStageGetsBoth("1f1b");      // on two ranks
  ExpectFirstStageGetsBoth("zbv");       // on one rank
  ExpectFirstStageGetsBoth("dualpipe");  // two copies of each, crosswise
}

TEST(SharedEmbeddingTest, TheLastStageGetsTheFirstOnesValues) {
  for (const char* schedule : {"1f1b", "zbv", "dualpipe"}) {
    RunRanks(2, [&](Communicator& world) {
      TinyTraining training(
          world, LayoutOf(std::string("pipeline_parallel: 2 schedule: \"") + schedule + "\""),
          DeepTiedModel());
      for (ModelChunk& chunk : training.model->chunks()) {
        const c10::NoGradGuard no_grad;
        if (FlatGroup* group = EmbeddingOf(chunk); group && !group->is_copy) group->values.fill_(7);
      }
      CopySharedEmbedding(*training.model);
      for (ModelChunk& chunk : training.model->chunks()) {
        FlatGroup* group = EmbeddingOf(chunk);
        if (group == nullptr) continue;
        EXPECT_TRUE(at::equal(group->values, at::full({group->values.numel()}, 7.0F)));
      }
    });
  }
}

}  // namespace
}  // namespace deduce
