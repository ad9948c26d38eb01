// Weights and moments of a device in files and hashes.
#include <gtest/gtest.h>

#include "tests/device/on_both.h"
#include "tests/testing/rank_group.h"
#include "tests/trainer/scratch_dir.h"

namespace deduce {
namespace {

TrainState& Trained(TinyTraining& training) {
  training.Step(TinyChunkTrainer(), 0);
  return *training.state;
}

std::vector<TensorSlice> AllSlices(TinyTraining& training) {
  std::vector<TensorSlice> slices = WeightSlices(*training.model);
  for (TensorSlice& slice : MomentSlices(*training.state)) slices.push_back(std::move(slice));
  return slices;
}

// From the device to a file, to the CPU, to a file, and back: the same hash, and the same file.
TEST(DeviceCheckpointTest, FilesOfDeviceAndCpuAreTheSame) {
  RunRanks(2, [](Communicator& world) {
    const ScratchDir scratch;
    const std::string dir = scratch.Shared(world);
    const LayoutConfig layout = LayoutOf("expert_parallel: 2 zero_stage: 3");
    const auto make = [&](c10::Device device) {
      return std::make_unique<TinyTraining>(world, layout, TinyTrainingModel(), at::kFloat, device);
    };
    const auto first = make(SimulatedDevice());
    Trained(*first);
    ASSERT_TRUE(SaveCheckpoint(world, dir + "/first", AllSlices(*first), "{}", {}).ok());

    const auto second = make(c10::kCPU), third = make(SimulatedDevice());
    for (const auto& [from, to] : {std::pair("/first", second.get()), {"/first", third.get()}}) {
      const auto reader = CheckpointReader::Open(dir + from);
      ASSERT_TRUE(reader.ok()) << reader.status();
      ASSERT_TRUE(ReadWeights(*reader, "", *to->model).ok());
      ASSERT_TRUE(ReadMoments(*reader, *to->state).ok());
      EXPECT_EQ(to->Hash(), first->Hash());
    }
    ASSERT_TRUE(SaveCheckpoint(world, dir + "/second", AllSlices(*second), "{}", {}).ok());
    EXPECT_EQ(Slurp(dir + "/first/manifest.json"), Slurp(dir + "/second/manifest.json"));
    world.Barrier();  // the folder is rank 0's
  });
}

// Pieces of a tensor rank's are joined before they are hashed.
TEST(DeviceCheckpointTest, PiecesHaveTheHashOfTheWhole) {
  std::string whole;
  RunRanks(1, [&](Communicator& world) {
    whole = TinyTraining(world, LayoutOf("exact: false"), TinyTrainingModel()).Hash();
  });
  RunRanks(2, [&](Communicator& world) {
    TinyTraining pieces(world, LayoutOf("tensor_parallel: 2 exact: false"), TinyTrainingModel(),
                        at::kFloat, SimulatedDevice());
    EXPECT_EQ(pieces.Hash(), whole);
  });
}

}  // namespace
}  // namespace deduce
