#include "trainer/step/step_plan.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "parallel/reduce/gradient_tree.h"
#include "tests/testing/rank_group.h"
#include "tests/trainer/pipeline_layouts.h"
#include "tests/trainer/tiny_training.h"

namespace deduce {
namespace {

TEST(StepPlanTest, EveryMicroBatchIsWorkedOnOnceInTheOrderOfTheTree) {
  for (const char* schedule : {"1f1b", "dualpipe"}) {
    RunRanks(4, [&](Communicator& world) {
      LayoutConfig config;
      config.set_pipeline_parallel(2);
      config.set_schedule(schedule);
      TinyTraining training(world, config);
      const StepPlan step = MakeStepPlan(*training.model, 7, /*forward_only=*/false);
      const Schedule& plan = step.plan.schedule;
      const int paths = static_cast<int>(plan.paths.size());
      std::vector<std::vector<int64_t>> by_path(paths);
      for (size_t m = 0; m < step.micro_batch_of.size(); ++m) {
        if (step.micro_batch_of[m] < 7) by_path[plan.path_of[m]].push_back(step.micro_batch_of[m]);
      }
      for (int path = 0; path < paths; ++path) {
        const Layout copy = training.ranks.layout.WithCopies(paths, path);
        EXPECT_EQ(by_path[path], TreeOrder(7, copy.replica(), copy.num_replicas())) << schedule;
      }
    });
  }
}

TEST(StepPlanTest, AReplicaNeedsTheMicroBatchesThatAnyPathOfItsPipelineTakes) {
  for (const char* layout :
       {"", "pipeline_parallel: 2", "pipeline_parallel: 2 schedule: 'dualpipe'",
        "expert_parallel: 2 pipeline_parallel: 2 schedule: 'dualpipe'", "expert_parallel: 2",
        "context_parallel: 2 exact: false", "tensor_parallel: 2 exact: false"}) {
    RunRanks(4, [&](Communicator& world) {
      TinyTraining training(world, LayoutOf(layout));
      const StepPlan step = MakeStepPlan(*training.model, 7, /*forward_only=*/false);
      const std::set<int64_t> taken(step.micro_batch_of.begin(), step.micro_batch_of.end());
      for (int64_t m = 0; m < 7; ++m) {
        const bool needed = ReplicaOf(*training.model, m) == training.ranks.layout.replica();
        EXPECT_EQ(needed, taken.contains(m)) << layout << ", micro-batch " << m;
      }
    });
  }
}

TEST(StepPlanTest, ForwardsAreDealtToContextRanksToo) {
  RunRanks(4, [&](Communicator& world) {
    LayoutConfig config;
    config.set_context_parallel(2);
    config.set_exact(false);
    TinyTraining training(world, config);
    EXPECT_EQ(MakeStepPlan(*training.model, 4, /*forward_only=*/false).micro_batch_of,
              TreeOrder(4, world.rank() / 2, 2));
    EXPECT_EQ(MakeStepPlan(*training.model, 4, /*forward_only=*/true).micro_batch_of,
              TreeOrder(4, world.rank(), 4));
  });
}

}  // namespace
}  // namespace deduce
