// Training with a user's schedule has the bits of one rank, whatever the number of micro-batches.
#include <gtest/gtest.h>

#include <string>

#include "parallel/pipeline/schedule/dual_pipe.h"
#include "parallel/pipeline/schedule/schedule_text.h"
#include "tests/data/temporary_file.h"
#include "tests/testing/rank_group.h"
#include "tests/trainer/pipeline_layouts.h"

namespace deduce {
namespace {

std::string HashAfterTraining(int num_ranks, const std::string& layout) {
  std::string hash;
  RunRanks(num_ranks, [&](Communicator& world) {
    TinyTraining training(world, LayoutOf(layout), DeepRoutedModel());
    for (int64_t step = 0; step < 3; ++step) training.Step(TinyChunkTrainer(), step);
    const std::string own = training.Hash();
    if (world.rank() == world.size() - 1) hash = own;
  });
  return hash;
}

void ExpectTheHashOfOneRank(int num_ranks, const std::string& layout) {
  const std::string hash = HashAfterTraining(num_ranks, layout);
  if (hash.empty()) return;  // under mpirun only the last rank has it
  EXPECT_EQ(hash, HashAfterTraining(1, "")) << layout;
}

std::string LayoutOfFile(int ranks, const std::string& path) {
  return "pipeline_parallel: " + std::to_string(ranks) + " schedule: \"file:" + path + "\"";
}

TEST(OwnScheduleTrainingTest, TheExampleHasTheBitsOfOneRank) {
  ExpectTheHashOfOneRank(
      4, LayoutOfFile(4, std::string(DEDUCE_SOURCE_DIR) + "/configs/recipes/four_stages.schedule"));
}

// One micro-batch at a time, so that a step goes through the schedule again and again; backwards
// are whole or in halves, and a stage's weight gradient waits for another's input gradient.
TEST(OwnScheduleTrainingTest, StagesOnOneRankHaveTheBitsOfOne) {
  const TemporaryFile file("stages_on_one_rank",
                           "micro_batches: 1\npath 0: 0.2 0.0 0.1\n"
                           "rank 0: F2.0 F0.0 F1.0 I1.0 B0.0 I2.0 W1.0 W2.0\n");
  ExpectTheHashOfOneRank(1, LayoutOfFile(1, file.path()));
}

TEST(OwnScheduleTrainingTest, TwoCopiesOfAStageHaveTheBitsOfOne) {
  const TemporaryFile file("two_copies", ScheduleText(DualPipe(2, 4)));
  ExpectTheHashOfOneRank(2, LayoutOfFile(2, file.path()));
}

}  // namespace
}  // namespace deduce
