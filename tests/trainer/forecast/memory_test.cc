#include "trainer/forecast/memory.h"

#include <gtest/gtest.h>

#include "parallel/layout.h"
#include "tests/trainer/model/tiny_models.h"
#include "trainer/forecast/model_size.h"

namespace deduce {
namespace {

RunConfig TinyRun(const std::string& text) {
  RunConfig config;
  *config.mutable_model() = TinyRoutedModel();
  EXPECT_TRUE(google::protobuf::TextFormat::MergeFromString(text, &config)) << text;
  return config;
}

std::vector<RankBytes> BytesOf(const RunConfig& config, int num_ranks, int micro_batches,
                               double tokens) {
  const absl::StatusOr<Layout> layout = MakeLayout(config.layout(), num_ranks, 0);
  EXPECT_TRUE(layout.ok()) << layout.status();
  const Plan plan = MakePlan(*layout, micro_batches);
  const auto parts = SplitModel(config.model(), plan.schedule.num_stages(), layout->stage_layers);
  EXPECT_TRUE(parts.ok()) << parts.status();
  return MemoryOf(config, *layout, plan, *parts, tokens);
}

TEST(MemoryForecastTest, OneRankHoldsEverythingOnce) {
  const RunConfig config = TinyRun("plan { gradient_sums: 1 }");
  const RankBytes bytes = BytesOf(config, 1, 4, 64).front();
  const double parameters =
      static_cast<double>(SizeOfPart(config.model(), WholeModel(config.model())).total());
  EXPECT_EQ(bytes.weights, 4 * parameters);
  EXPECT_EQ(bytes.gradients, 4 * parameters);
  EXPECT_EQ(bytes.optimizer, 8 * parameters);
  EXPECT_EQ(bytes.activations, 64 * ActivationBytes(config, WholeModel(config.model())));
  EXPECT_EQ(bytes.total(), bytes.weights + bytes.gradients + bytes.optimizer + bytes.activations);
}

TEST(MemoryForecastTest, ShardedSumsLeaveAMicroBatchsGradient) {
  const RankBytes one = BytesOf(TinyRun("plan { gradient_sums: 1 }"), 1, 8, 64).front();
  const RunConfig config = TinyRun("layout { data_parallel: 4 zero_stage: 2 exact: false }");
  EXPECT_EQ(BytesOf(config, 4, 8, 64).front().gradients, one.gradients * 1.25);
}

TEST(MemoryForecastTest, ShardedWeightsLeaveSharesAndTheLargestChunk) {
  const RunConfig config = TinyRun(
      "layout { data_parallel: 4 zero_stage: 3 exact: false virtual_stages: 2 schedule: 'gpipe' }");
  const auto parts = SplitModel(config.model(), 2, {});
  ASSERT_TRUE(parts.ok());
  double all = 0, largest = 0;
  for (const ModelPart& part : *parts) {
    const double size = static_cast<double>(SizeOfPart(config.model(), part).total());
    all += size;
    largest = std::max(largest, size);
  }
  const RankBytes bytes = BytesOf(config, 4, 8, 64).front();
  EXPECT_EQ(bytes.weights, 4 * (all / 4 + largest));
  EXPECT_EQ(bytes.gradients, 4 * (all / 4 + largest));
  EXPECT_EQ(bytes.whole_weights, 4 * all);
}

TEST(MemoryForecastTest, ContextRanksShareTokensAndTheOptimizerAndPassKeysOn) {
  const RunConfig config = TinyRun("layout { context_parallel: 2 exact: false }");
  const ModelPart whole = WholeModel(config.model());
  const RankBytes one = BytesOf(TinyRun(""), 1, 1, 64).front();
  const RankBytes half = BytesOf(config, 2, 1, 64).front();
  EXPECT_EQ(half.weights, one.weights);
  EXPECT_EQ(half.optimizer, one.optimizer / 2);
  // 2 heads with keys of 10 and values of 7, in one layer at a time: of half the tokens two blocks
  // and two sums of their gradients.
  EXPECT_EQ(KeyBytes(config), 2 * (10 + 7) * 4);
  const double under_way = 4 * 32 * 2 * 17 * 4;
  EXPECT_EQ(half.activations, 32 * ActivationBytes(config, whole) + under_way);
  const RunConfig again =
      TinyRun("layout { context_parallel: 2 exact: false recompute: selective }");
  EXPECT_EQ(BytesOf(again, 2, 1, 64).front().activations,
            32 * ActivationBytes(again, whole) + under_way);
}

TEST(MemoryForecastTest, GatheredKeysAreKeptUnlessTheyAreGatheredAgain) {
  const std::string axes = "context_parallel: 2 context_keys: gathered exact: false";
  const RunConfig config = TinyRun("layout { " + axes + " }");
  const ModelPart whole = WholeModel(config.model());
  // Three layers and the module's, of 2 heads with keys of 10 and values of 7.
  EXPECT_EQ(BytesOf(config, 2, 1, 64).front().activations,
            64 * (ActivationBytes(config, whole) / 2 + 4 * 2 * 17 * 4));
  const RunConfig again = TinyRun("layout { recompute: selective " + axes + " }");
  EXPECT_EQ(BytesOf(again, 2, 1, 64).front().activations, 32 * ActivationBytes(again, whole));
}

TEST(MemoryForecastTest, AttentionIsInEveryLayerAndInTheModule) {
  const ModelConfig model = TinyRoutedModel();
  const ModelPart whole = WholeModel(model);
  EXPECT_EQ(AttentionLayers(model, whole), whole.num_layers + 1);
  ModelPart first = whole;
  first.last = false;
  EXPECT_EQ(AttentionLayers(model, first), whole.num_layers);
}

TEST(MemoryForecastTest, TensorRanksShareMatricesAndTokensAndGatherInputs) {
  const RunConfig config =
      TinyRun("plan { gradient_sums: 1 } layout { tensor_parallel: 2 exact: false }");
  const ModelPart whole = WholeModel(config.model());
  const PartSize size = SizeOfPart(config.model(), whole);
  const double held = static_cast<double>(size.total()) - static_cast<double>(size.split) / 2;
  const RankBytes one = BytesOf(TinyRun(""), 1, 1, 64).front();
  const RankBytes half = BytesOf(config, 2, 1, 64).front();
  EXPECT_EQ(half.weights, 4 * held);
  EXPECT_EQ(half.gradients, 4 * held);
  EXPECT_EQ(half.optimizer, one.optimizer / 2);
  // Latents of 12 + 10 and a rotated key of 4 in three layers and the module's; one dense layer.
  const TensorAxisBytes bytes = TensorAxisBytesOf(config, whole);
  EXPECT_EQ(bytes.attention, 4 * 4 * (12 + 10 + 4));
  EXPECT_EQ(bytes.dense, 4 * 24);
  EXPECT_EQ(bytes.summed, 4 * (4 + 1) * 24);
  EXPECT_EQ(half.activations,
            64 * (ActivationBytes(config, whole) / 2 + bytes.attention + bytes.dense));
  const RunConfig again =
      TinyRun("layout { tensor_parallel: 2 exact: false recompute: selective }");
  EXPECT_EQ(BytesOf(again, 2, 1, 64).front().activations,
            64 * (ActivationBytes(again, whole) / 2 + bytes.dense));
  const RunConfig copied =
      TinyRun("layout { tensor_parallel: 2 data_parallel: 2 exact: false zero_stage: 0 }");
  EXPECT_EQ(BytesOf(copied, 4, 2, 64).front().optimizer, 8 * held);
}

TEST(MemoryForecastTest, ExactModesTreeHasASumMoreForEveryDoubling) {
  const RankBytes once = BytesOf(TinyRun("plan { gradient_sums: 1 }"), 1, 8, 64).front();
  EXPECT_EQ(BytesOf(TinyRun(""), 1, 1, 64).front().gradients, once.gradients);
  EXPECT_EQ(BytesOf(TinyRun(""), 1, 8, 64).front().gradients, 4 * once.gradients);
}

TEST(MemoryForecastTest, ExpertsAreSplitAndTheOptimizerIsSharded) {
  const RunConfig config = TinyRun("layout { expert_parallel: 4 data_parallel: 2 }");
  const PartSize size = SizeOfPart(config.model(), WholeModel(config.model()));
  const double experts = static_cast<double>(size.experts);
  const double dense = static_cast<double>(size.total() - size.experts);
  const RankBytes bytes = BytesOf(config, 8, 2, 64).front();
  EXPECT_EQ(bytes.weights, 4 * (dense + experts / 4));
  EXPECT_EQ(bytes.optimizer, 8 * (dense / 8 + experts / 4 / 2));
  const RunConfig whole = TinyRun("layout { expert_parallel: 4 data_parallel: 2 zero_stage: 0 }");
  EXPECT_EQ(BytesOf(whole, 8, 2, 64).front().optimizer, 8 * (dense + experts / 4));
}

TEST(MemoryForecastTest, ExpertsThatArePlacedByLoadAreInSlotsToo) {
  const std::string placed =
      "layout { expert_parallel: 4 rebalance_every: 10 redundant_experts: 8 }";
  const RunConfig config = TinyRun("plan { gradient_sums: 1 } " + placed);
  const PartSize size = SizeOfPart(config.model(), WholeModel(config.model()));
  const double dense = static_cast<double>(size.total() - size.experts);
  const double experts = static_cast<double>(size.experts);
  ASSERT_EQ(config.model().moe().n_routed_experts(), 8);
  const RankBytes bytes = BytesOf(config, 4, 2, 64).front();
  EXPECT_EQ(bytes.weights, 4 * (dense + experts / 4 + 2 * experts / 4));
  EXPECT_EQ(bytes.gradients, 4 * (dense + 2 * experts / 4));
}

TEST(MemoryForecastTest, OneFOneBKeepsFewerMicroBatchesTowardsTheEnd) {
  const RunConfig config = TinyRun("layout { pipeline_parallel: 2 stage_layers: [2, 1] }");
  const std::vector<RankBytes> ranks = BytesOf(config, 2, 8, 64);
  const auto parts = SplitModel(config.model(), 2, {2, 1});
  ASSERT_TRUE(parts.ok());
  EXPECT_EQ(ranks[0].activations, 2 * 64 * ActivationBytes(config, parts->at(0)));
  EXPECT_EQ(ranks[1].activations, 1 * 64 * ActivationBytes(config, parts->at(1)));
}

TEST(MemoryForecastTest, RecomputationKeepsInputsAndOneMicroBatch) {
  const RunConfig config =
      TinyRun("layout { pipeline_parallel: 2 stage_layers: [2, 1] recompute: full }");
  const auto parts = SplitModel(config.model(), 2, {2, 1});
  ASSERT_TRUE(parts.ok());
  EXPECT_EQ(BytesOf(config, 2, 8, 64)[0].activations,
            64 * (2 * 24 * 4 + ActivationBytes(config, parts->at(0))));
}

TEST(MemoryForecastTest, RecomputedAttentionLeavesItsInput) {
  const RunConfig kept = TinyRun("layout { pipeline_parallel: 2 stage_layers: [2, 1] }");
  const RunConfig again =
      TinyRun("layout { pipeline_parallel: 2 stage_layers: [2, 1] recompute: selective }");
  const auto parts = SplitModel(kept.model(), 2, {2, 1});
  ASSERT_TRUE(parts.ok());
  // Two layers of: both latents and the rotated key before and after their norms, the norm's
  // output, queries twice, keys once and once before rotation, values three times; in floats.
  const double layer = 4 * (24 + 2 * (12 + 10 + 4) + 2 * (3 * 10 + 6 + 3 * 7));
  EXPECT_EQ(ActivationBytes(again, parts->at(0)), ActivationBytes(kept, parts->at(0)) - 2 * layer);
}

TEST(MemoryForecastTest, DualPipeHoldsTwoStagesAndMayShareTheirEmbedding) {
  const std::string layout =
      "layout { pipeline_parallel: 2 schedule: 'dualpipe' stage_layers: [2, 1] }";
  const RunConfig two = TinyRun(layout);
  const RunConfig one = TinyRun(layout + "plan { one_embedding_a_rank: true }");
  const auto parts = SplitModel(two.model(), 2, {2, 1});
  ASSERT_TRUE(parts.ok());
  const double both = static_cast<double>(SizeOfPart(two.model(), parts->at(0)).total() +
                                          SizeOfPart(two.model(), parts->at(1)).total());
  for (const RankBytes& rank : BytesOf(two, 2, 4, 64)) {
    EXPECT_EQ(rank.weights, 4 * both);
    EXPECT_EQ(rank.optimizer, 8 * both / 2);
  }
  EXPECT_EQ(BytesOf(one, 2, 4, 64)[0].weights, 4 * (both - 37 * 24));
}

TEST(MemoryForecastTest, Fp8ActivationsAreSmaller) {
  const ModelPart whole = WholeModel(TinyRoutedModel());
  EXPECT_LT(
      ActivationBytes(TinyRun("plan { activations: deepseek_v3 activation_bytes: 2 }"), whole),
      ActivationBytes(TinyRun("plan { activation_bytes: 2 }"), whole));
}

TEST(MemoryForecastTest, TheFirstRankOverTheLimitIsNamed) {
  ClusterConfig cluster;
  const std::vector<RankBytes> ranks = {{.weights = 1e9}, {.weights = 3e9, .activations = 0.5e9}};
  EXPECT_EQ(CheckMemory(ranks, cluster), absl::OkStatus());
  cluster.set_memory_gb(3.5);
  EXPECT_EQ(CheckMemory(ranks, cluster), absl::OkStatus());
  cluster.set_memory_gb(3);
  EXPECT_EQ(CheckMemory(ranks, cluster).message(),
            "plan: rank 1 of the pipeline: found 3.50 GB (weights 3.00, gradients 0.00, optimizer "
            "0.00, activations 0.50), expected at most plan.cluster.memory_gb (3)");
}

}  // namespace
}  // namespace deduce
