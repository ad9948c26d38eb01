#include "trainer/step/expert_slots.h"

#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "kernels/top_k_routing.h"
#include "parallel/experts/expert_balance.h"
#include "tests/testing/rank_group.h"
#include "tests/trainer/tiny_training.h"

namespace deduce {
namespace {

constexpr int kSteps = 4;

LayoutConfig Placed(int expert_parallel, int redundant, int rebalance_every) {
  LayoutConfig layout;
  layout.set_expert_parallel(expert_parallel);
  layout.set_redundant_experts(redundant);
  layout.set_rebalance_every(rebalance_every);
  return layout;
}

struct Trained {
  std::vector<std::string> hashes;
  std::vector<double> losses, norms;
};

Trained Train(Communicator& world, const LayoutConfig& layout,
              const ModelConfig& config = TinyTrainingModel()) {
  TinyTraining training(world, layout, config);
  Trained trained;
  for (int step = 0; step < kSteps; ++step) {
    const StepStats stats = training.Step(TinyChunkTrainer(), step);
    trained.hashes.push_back(training.Hash());
    trained.losses.push_back(stats.Loss());
    trained.norms.push_back(stats.grad_norm);
  }
  return trained;
}

// The claim of this file: places and copies of experts change no bit of any step.
void ExpectBitsOfOneRank(int num_ranks, const LayoutConfig& layout,
                         const ModelConfig& config = TinyTrainingModel()) {
  const auto one = MakeOneMemberCommunicator();
  const Trained expected = Train(*one, LayoutConfig(), config);
  RunRanks(num_ranks, [&](Communicator& world) {
    const Trained found = Train(world, layout, config);
    EXPECT_EQ(found.hashes, expected.hashes);
    EXPECT_EQ(found.losses, expected.losses);
    EXPECT_EQ(found.norms, expected.norms);
  });
}

TEST(ExpertSlotsTest, PlacesWithoutCopiesHaveTheBitsOfOneRank) {
  ExpectBitsOfOneRank(2, Placed(2, 0, 1));
}

TEST(ExpertSlotsTest, CopiesOnTwoRanksHaveTheBitsOfOneRank) {
  ExpectBitsOfOneRank(2, Placed(2, 2, 1));
}

TEST(ExpertSlotsTest, ThreeCopiesOnFourRanksHaveTheBitsOfOneRank) {
  ExpectBitsOfOneRank(4, Placed(4, 12, 2));
}

TEST(ExpertSlotsTest, BesideADataAxisAndAnUnshardedOptimizerToo) {
  LayoutConfig layout = Placed(2, 4, 1);
  layout.set_zero_stage(0);
  ExpectBitsOfOneRank(4, layout);
}

TEST(ExpertSlotsTest, InAPipelineWhoseWeightGradientsComeLaterToo) {
  LayoutConfig layout = Placed(2, 2, 1);
  layout.set_pipeline_parallel(2);
  layout.set_schedule("zb_h1");
  ExpectBitsOfOneRank(4, layout);
}

TEST(ExpertSlotsTest, InBothDirectionsOfAPipelineToo) {
  LayoutConfig layout = Placed(2, 2, 1);
  layout.set_pipeline_parallel(2);
  layout.set_schedule("dualpipe");
  ExpectBitsOfOneRank(4, layout);
}

TEST(ExpertSlotsTest, InBf16Too) {
  ModelConfig config = TinyTrainingModel();
  config.set_compute(ModelConfig::bf16);
  ExpectBitsOfOneRank(2, Placed(2, 2, 1), config);
}

// Experts 0 and 1 have all the load, on rank 0 by their numbers.
TEST(ExpertSlotsTest, RebalancingSpreadsTheLoadOverTheRanks) {
  RunRanks(2, [](Communicator& world) {
    TinyTraining training(world, Placed(2, 2, 1000));
    ExpertSlots& slots = *training.model->chunks()[0].slots;
    at::Tensor load_le = at::zeros_like(training.transformer().expert_load_le());
    load_le.select(1, 0).fill_(90);
    load_le.select(1, 1).fill_(10);
    for (const ExpertPlacement& placement : training.transformer().placements())
      ASSERT_EQ(placement.num_slots(), 10);
    slots.CountLoad(load_le);
    slots.Rebalance();
    slots.Fill();
    // Half of expert 0 on each rank, and expert 1 on one or both.
    for (const ExpertPlacement& placement : training.transformer().placements())
      EXPECT_LE(placement.MaxOverMeanRankLoad({90, 10, 0, 0, 0, 0, 0, 0}), 1.1);
    // Copies agree, or there is no hash.
    EXPECT_EQ(training.Hash().size(), 16u);
  });
}

TEST(ExpertSlotsTest, ACopyThatDiffersIsFoundByTheHash) {
  RunRanks(2, [](Communicator& world) {
    TinyTraining training(world, Placed(2, 0, 1000));
    if (world.rank() == 1) training.model->chunks()[0].store->groups()[1].slot_values[0] += 1;
    const absl::StatusOr<std::string> hash = HashOfWeights(*training.model);
    EXPECT_EQ(hash.status().code(), absl::StatusCode::kInternal);
    EXPECT_NE(hash.status().message().find("experts."), std::string::npos);
  });
}

// The ranks on which a token's experts are computed, over a batch of random logits: with routing
// groups that are whole on a node, a token goes to topk_group nodes at most.
TEST(ExpertSlotsTest, ATokenTravelsToAsManyNodesAsItsRoutingGroups) {
  constexpr int kExperts = 16, kRanks = 8, kNodes = 4, kTokens = 400;
  const RoutingOptions options{.top_k = 4, .num_groups = 4, .top_groups = 2};
  const at::Tensor expert_tk =
      TopKRouting(at::randn({kTokens, kExperts}), at::zeros({kExperts}), options).expert_tk;
  std::vector<double> load(kExperts, 1);
  load[3] = 40, load[9] = 25;
  const ExpertPlacement placed(
      PlaceExperts(load, 32, {.num_nodes = kNodes, .num_ranks = kRanks, .num_expert_groups = 4}),
      kExperts, kRanks);
  const ExpertPlacement home = ExpertPlacement::AtHome(kExperts, kRanks);
  for (const ExpertPlacement* placement : {&home, &placed}) {
    size_t most = 0;
    for (int token = 0; token < kTokens; ++token) {
      for (int source = 0; source < kRanks; ++source) {
        std::set<int> nodes;
        for (int choice = 0; choice < 4; ++choice) {
          const int expert = static_cast<int>(expert_tk[token][choice].item<int64_t>());
          nodes.insert(placement->RankOf(placement->SlotFor(expert, source)) / (kRanks / kNodes));
        }
        most = std::max(most, nodes.size());
      }
    }
    EXPECT_EQ(most, 2u);
  }
}

}  // namespace
}  // namespace deduce
