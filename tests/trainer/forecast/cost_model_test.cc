#include "trainer/forecast/cost_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "parallel/pipeline/schedule/make_schedule.h"
#include "tests/trainer/planned_models.h"
#include "trainer/forecast/cluster.h"
#include "trainer/forecast/memory.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;

struct Made {
  RunConfig config;
  Layout layout;
  std::vector<ModelPart> parts;
  absl::StatusOr<CostModel> costs = absl::UnknownError("not made");
};

Made Make(const std::vector<std::string>& sets, bool calibrated = true) {
  Made made{.config = TreeConfig("deepseek_v3_2048_h800", sets)};
  if (!calibrated) made.config.mutable_plan()->clear_calibration();
  const absl::StatusOr<Layout> layout = MakeLayout(made.config.layout(), 2048, 0);
  EXPECT_TRUE(layout.ok()) << layout.status();
  if (!layout.ok()) return made;
  made.layout = *layout;
  const int stages = made.layout.schedule == "dualpipe" ? 16 : 16 * made.layout.num_chunks;
  const auto parts = SplitModel(made.config.model(), stages, made.layout.stage_layers);
  EXPECT_TRUE(parts.ok()) << parts.status();
  if (!parts.ok()) return made;
  made.parts = *parts;
  made.costs = CostModel::Make(made.config, CompleteCluster(made.config.plan().cluster()),
                               made.layout, made.parts);
  return made;
}

// Whatever the schedule is, a step with the measured micro-batches has the measured parts.
void ExpectMeasuredParts(const Made& made) {
  ASSERT_TRUE(made.costs.ok()) << made.costs.status();
  const Timeline timeline =
      Simulate(MakeSchedule(made.layout.schedule, 16, made.layout.num_chunks, 120),
               made.costs->Costs({4096, 4096}));
  WorkTimes sum;
  for (const std::vector<TimedStep>& steps : timeline.ranks) {
    const WorkTimes times = TimesByKind(steps);
    sum.forward += times.forward;
    sum.backward += times.backward;
    sum.weight_gradient += times.weight_gradient;
    sum.overlapped += times.overlapped;
  }
  const CalibrationConfig& measured = made.config.plan().calibration();
  EXPECT_NEAR(sum.forward / 16, measured.forward_seconds(), 1e-9);
  EXPECT_NEAR(sum.backward / 16, measured.backward_seconds(), 1e-9);
  EXPECT_NEAR(sum.weight_gradient / 16, measured.weight_gradient_seconds(), 1e-9);
  EXPECT_NEAR(sum.overlapped / 16, measured.overlapped_seconds(), 1e-9);
}

TEST(CostModelTest, CalibratedCostsGiveTheMeasuredPartsBack) { ExpectMeasuredParts(Make({})); }

TEST(CostModelTest, OneRankMayHaveBeenMeasured) {
  const Made made = Make({"plan { calibration { rank: 7 } }"});
  ASSERT_TRUE(made.costs.ok()) << made.costs.status();
  const Timeline timeline =
      Simulate(MakeSchedule("dualpipe", 16, 2, 120), made.costs->Costs({4096, 4096}));
  EXPECT_NEAR(TimesByKind(timeline.ranks[7]).forward, 1.13, 1e-9);
  EXPECT_NEAR(TimesByKind(timeline.ranks[7]).overlapped, 13.95, 1e-9);
}

TEST(CostModelTest, SchedulesWithoutSeparateWeightGradientsAreCalibratedToo) {
  Made made = Make({"layout { schedule: '1f1b' }"});
  EXPECT_THAT(std::string(made.costs.status().message()),
              HasSubstr("plan.calibration.weight_gradient_seconds: found a time, expected none"));
  CalibrationConfig& measured = *made.config.mutable_plan()->mutable_calibration();
  measured.clear_weight_gradient_seconds();
  measured.clear_overlapped_seconds();
  made.costs = CostModel::Make(made.config, CompleteCluster(made.config.plan().cluster()),
                               made.layout, made.parts);
  ExpectMeasuredParts(made);
}

TEST(CostModelTest, AMissingOrImpossibleTimeIsNamed) {
  Made made = Make({});
  RunConfig config = made.config;
  config.mutable_plan()->mutable_calibration()->clear_overlapped_seconds();
  const ClusterConfig cluster = CompleteCluster(config.plan().cluster());
  EXPECT_EQ(CostModel::Make(config, cluster, made.layout, made.parts).status().message(),
            "plan.calibration.overlapped_seconds: found nothing, expected the time of such work, "
            "which the schedule has");
  EXPECT_EQ(
      Make({"plan { calibration { weight_gradient_seconds: 100 } }"}).costs.status().message(),
      "plan.calibration.backward_seconds: found 1.99, expected more than the weight "
      "gradients in it take");
  EXPECT_EQ(Make({"plan { calibration { micro_batches: 119 } }"}).costs.status().message(),
            "plan.calibration.micro_batches: found 119, expected a number that schedule dualpipe "
            "can have, as 120");
}

TEST(CostModelTest, CostsGrowWithTokensAndWithTheAttentionOfLongerSequences) {
  const Made made = Make({});
  ASSERT_TRUE(made.costs.ok());
  const ScheduleCosts once = made.costs->Costs({4096, 4096});
  const ScheduleCosts twice = made.costs->Costs({8192, 4096});
  const ScheduleCosts longer = made.costs->Costs({4096, 8192});
  EXPECT_DOUBLE_EQ(twice.stages[3].forward, 2 * once.stages[3].forward);
  EXPECT_DOUBLE_EQ(twice.transfer, 2 * once.transfer);
  EXPECT_GT(longer.stages[3].forward, once.stages[3].forward);
  EXPECT_EQ(longer.stages[3].weight_gradient, once.stages[3].weight_gradient);
}

TEST(CostModelTest, UncalibratedWorkTakesItsFlopsOverTheRate) {
  const Made made = Make({"plan { cluster { peak_tflops: 100 efficiency: 0.5 } }"}, false);
  ASSERT_TRUE(made.costs.ok());
  EXPECT_FALSE(made.costs->calibrated());
  const PartFlops flops = ForwardFlops(made.config.model(), made.parts[1], 4096);
  const ScheduleCosts costs = made.costs->Costs({4096, 4096});
  EXPECT_DOUBLE_EQ(costs.stages[1].weight_gradient, 4096 * flops.products / 50e12);
  // 2 layers are routed in the first stage of 5, 4 in the second: 4 groups, out and back, 2 bytes.
  const double sent = 4 * 4096.0 * 4 * 2 * 2 * 7168 / 50e9;
  EXPECT_DOUBLE_EQ(costs.stages[1].forward,
                   4096 * (flops.products + flops.attention) / 50e12 + sent);
  // In an overlapped pair the slower of work and communication counts.
  const double work = 4096 * (3 * flops.products + 3 * flops.attention) / 50e12;
  EXPECT_NEAR(costs.overlapped_stages[1][1], std::max(work, 2 * sent), 1e-12);
}

TEST(CostModelTest, ShardedWeightsComeInBeforeWorkAndGradientsGoOutAfterIt) {
  const std::vector<std::string> base = {"layout { schedule: '1f1b' exact: false }"};
  std::vector<std::string> sharded = base;
  sharded.push_back("layout { zero_stage: 3 }");
  const Made whole = Make(base, false), made = Make(sharded, false);
  ASSERT_TRUE(whole.costs.ok() && made.costs.ok());
  const PartSize size = SizeOfPart(made.config.model(), made.parts[1]);
  // 128 replicas share dense weights, of which the rest comes over the network; experts are shared
  // by 2, and 1 of 64 is here.
  const double missing = static_cast<double>(size.total() - size.experts) * 127 / 128 +
                         static_cast<double>(size.experts) / 64 / 2;
  const StageCosts before = whole.costs->Costs({4096, 4096}).stages[1];
  const StageCosts after = made.costs->Costs({4096, 4096}).stages[1];
  EXPECT_EQ(before.gather, 0);
  EXPECT_DOUBLE_EQ(after.gather, missing * 2 / 50e9);
  EXPECT_EQ(after.forward, before.forward);
  EXPECT_EQ(after.input_gradient, before.input_gradient);
  EXPECT_NEAR(after.backward - before.backward, missing * 4 / 50e9, 1e-12);
  EXPECT_NEAR(after.weight_gradient - before.weight_gradient, missing * 4 / 50e9, 1e-12);
}

// What context ranks add to their share of a stage's forward and input gradient, with links of so
// many GB/s; block and work: seconds of a block of one layer between ranks, and under attention.
struct RingCosts {
  double forward, backward, block, work, layers;
};

RingCosts CostsOfRing(int contexts, double gb_per_second, const std::string& recompute = "none",
                      const std::string& keys = "ring") {
  const auto make = [&](int context_parallel) {
    return Make(
        {"plan { cluster { peak_tflops: 100 efficiency: 0.5 node_gb_per_second: " +
             std::to_string(gb_per_second) + " } }",
         "layout { expert_parallel: 32 exact: false recompute: " + recompute +
             " context_keys: " + keys + " context_parallel: " + std::to_string(context_parallel) +
             " data_parallel: " + std::to_string(4 / context_parallel) + " }"},
        /*calibrated=*/false);
  };
  const Made one = make(1), ring = make(contexts);
  EXPECT_TRUE(one.costs.ok() && ring.costs.ok()) << one.costs.status() << ring.costs.status();
  const StageCosts whole = one.costs->Costs({4096, 4096}).stages[3];
  const StageCosts part = ring.costs->Costs({4096, 4096}).stages[3];
  const double tokens = 4096.0 / contexts;
  const auto layers = static_cast<double>(AttentionLayers(ring.config.model(), ring.parts[3]));
  const PartFlops flops = ForwardFlops(ring.config.model(), ring.parts[3], 4096);
  return {.forward = part.forward - whole.forward / contexts,
          .backward = part.input_gradient - whole.input_gradient / contexts,
          .block = tokens * KeyBytes(ring.config) / (gb_per_second * 1e9),
          .work = tokens * flops.attention / layers / contexts / 50e12,
          .layers = layers};
}

TEST(CostModelTest, ContextRanksShareTheWorkAndHideTheirKeysBehindIt) {
  const Made one = Make({}, /*calibrated=*/false);
  const Made two = Make({"layout { data_parallel: 1 context_parallel: 2 exact: false }"}, false);
  ASSERT_TRUE(one.costs.ok() && two.costs.ok()) << two.costs.status();
  EXPECT_DOUBLE_EQ(two.costs->Costs({4096, 4096}).transfer_bytes,
                   one.costs->Costs({4096, 4096}).transfer_bytes / 2);
  for (const int contexts : {2, 4}) {
    const RingCosts fast = CostsOfRing(contexts, 10000);
    ASSERT_LT(fast.block, fast.work);
    EXPECT_NEAR(fast.forward, 0, 1e-12) << contexts;
    // The last sums of gradients come home when no work is left.
    EXPECT_NEAR(fast.backward, fast.layers * fast.block, 1e-12) << contexts;
  }
}

TEST(CostModelTest, KeysThatTravelLongerThanABlockTakesShowInEveryHop) {
  for (const int contexts : {2, 4}) {
    const RingCosts slow = CostsOfRing(contexts, 1);
    ASSERT_GT(slow.block, 2 * slow.work);
    const double forward = slow.layers * (contexts - 1) * (slow.block - slow.work);
    EXPECT_NEAR(slow.forward, forward, 1e-9 * forward) << contexts;
    // Keys alone and sums of gradients alone, both at once, and the sums on their way home.
    const double backward =
        slow.layers * (2 * (slow.block - 2 * slow.work) +
                       (contexts - 2) * (2 * slow.block - 2 * slow.work) + slow.block);
    EXPECT_NEAR(slow.backward, backward, 1e-9 * backward) << contexts;
    const RingCosts again = CostsOfRing(contexts, 1, "selective");
    EXPECT_NEAR(again.backward, backward + forward, 1e-9 * backward) << contexts;
  }
}

TEST(CostModelTest, GatheredKeysAreHiddenByNothing) {
  for (const int contexts : {2, 4}) {
    const RingCosts costs = CostsOfRing(contexts, 10000, "none", "gathered");
    const double gathered = costs.layers * (contexts - 1) * costs.block;
    EXPECT_NEAR(costs.forward, gathered, 1e-9 * gathered + 1e-15) << contexts;
    EXPECT_NEAR(costs.backward, gathered, 1e-9 * gathered + 1e-15) << contexts;
    const RingCosts again = CostsOfRing(contexts, 10000, "selective", "gathered");
    EXPECT_NEAR(again.backward, 2 * gathered, 1e-9 * gathered + 1e-15) << contexts;
  }
}

TEST(CostModelTest, TensorRanksShareTheWorkAndExchangeTokens) {
  const std::string axes = "layout { data_parallel: 1 tensor_parallel: 2 exact: false }";
  const Made one = Make({}, /*calibrated=*/false), two = Make({axes}, /*calibrated=*/false);
  ASSERT_TRUE(one.costs.ok() && two.costs.ok()) << two.costs.status();
  const MicroBatchShape shape = {4096, 4096};
  const ScheduleCosts whole = one.costs->Costs(shape), half = two.costs->Costs(shape);
  const TensorAxisBytes bytes = TensorAxisBytesOf(two.config, two.parts[3]);
  const double exchanged =
      2048 * (bytes.attention + bytes.dense + bytes.summed) /
      (CompleteCluster(two.config.plan().cluster()).node_gb_per_second() * 1e9);
  EXPECT_GT(exchanged, 0);
  EXPECT_NEAR(half.stages[3].forward, whole.stages[3].forward / 2 + exchanged,
              1e-9 * whole.stages[3].forward);
}

TEST(CostModelTest, RecomputedAttentionAddsItsForwardToTheInputGradient) {
  const Made plain = Make({}, false);
  const Made again = Make({"layout { recompute: selective }"}, false);
  ASSERT_TRUE(plain.costs.ok() && again.costs.ok());
  const PartFlops flops = ForwardFlops(plain.config.model(), plain.parts[1], 4096);
  // DeepSeek-V3's latent attention has 187,105,280 weights a layer.
  EXPECT_EQ(flops.attention_products,
            2.0 * static_cast<double>(plain.parts[1].num_layers) * 187'105'280);
  const double added =
      4096 * (flops.attention_products + flops.attention) * plain.costs->rates().forward;
  EXPECT_NEAR(again.costs->Costs({4096, 4096}).stages[1].input_gradient,
              plain.costs->Costs({4096, 4096}).stages[1].input_gradient + added, 1e-12);
}

TEST(CostModelTest, RecomputationAddsAForwardToTheInputGradient) {
  const Made plain = Make({}, false);
  const Made again = Make({"layout { recompute: full }"}, false);
  ASSERT_TRUE(plain.costs.ok() && again.costs.ok());
  const PartFlops flops = ForwardFlops(plain.config.model(), plain.parts[1], 4096);
  const double forward = 4096 * (flops.products + flops.attention) * plain.costs->rates().forward;
  EXPECT_NEAR(again.costs->Costs({4096, 4096}).stages[1].input_gradient,
              plain.costs->Costs({4096, 4096}).stages[1].input_gradient + forward, 1e-12);
}

}  // namespace
}  // namespace deduce
