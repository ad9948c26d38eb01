#include "trainer/step/tensor_slices.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/testing/rank_group.h"
#include "tests/trainer/pipeline_layouts.h"
#include "tests/trainer/random_layout.h"
#include "tests/trainer/scratch_dir.h"
#include "tests/trainer/tiny_training.h"

namespace deduce {
namespace {

// How a state is spread.
struct Spread {
  int num_ranks, expert_parallel;
  bool sharded;
};

absl::Status Save(Communicator& world, const std::string& dir, TinyTraining& training) {
  std::vector<TensorSlice> slices = WeightSlices(*training.model);
  for (TensorSlice& slice : MomentSlices(*training.state)) slices.push_back(std::move(slice));
  return SaveCheckpoint(world, dir, slices, "{}", {});
}

// Two steps, so that moments are not zero and routing biases have moved.
void TrainAndSave(const Spread& spread, const ScratchDir& scratch, const std::string& name) {
  RunRanks(spread.num_ranks, [&](Communicator& world) {
    TinyTraining training(world, spread.expert_parallel, spread.sharded);
    for (int64_t step = 0; step < 2; ++step) training.Step(TinyChunkTrainer(), step);
    const absl::Status saved = Save(world, scratch.Shared(world) + "/" + name, training);
    EXPECT_TRUE(saved.ok()) << saved;
  });
}

void LoadAndSave(const Spread& spread, const ScratchDir& scratch, const std::string& from,
                 const std::string& to) {
  RunRanks(spread.num_ranks, [&](Communicator& world) {
    TinyTraining training(world, spread.expert_parallel, spread.sharded);
    const std::string dir = scratch.Shared(world);
    const auto reader = CheckpointReader::Open(dir + "/" + from);
    ASSERT_TRUE(reader.ok()) << reader.status();
    absl::Status status = ReadWeights(*reader, "", *training.model);
    EXPECT_TRUE(status.ok()) << status;
    status = ReadMoments(*reader, *training.state);
    EXPECT_TRUE(status.ok()) << status;
    status = Save(world, dir + "/" + to, training);
    EXPECT_TRUE(status.ok()) << status;
  });
}

TEST(TensorSlicesTest, WeightsThatAreNotFiniteAreNamed) {
  const ScratchDir scratch;
  RunRanks(1, [&](Communicator& world) {
    TinyTraining training(world, /*expert_parallel=*/1, /*sharded=*/false);
    Parameter& parameter = training.model->chunks().front().model->parameters().back();
    {
      const at::NoGradGuard no_grad;
      parameter.value.flatten()[0] = NAN;
    }
    ASSERT_EQ(Save(world, scratch / "c", training), absl::OkStatus());
    const auto reader = CheckpointReader::Open(scratch / "c");
    ASSERT_TRUE(reader.ok()) << reader.status();
    const absl::Status status = ReadWeights(*reader, "", *training.model);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_NE(status.message().find(parameter.names.back() + ": found NaN or infinity"),
              std::string::npos)
        << status;
  });
}

at::Tensor ReadWholeTensor(const CheckpointReader& reader, const std::string& name) {
  int64_t size = 1;
  for (const int64_t dimension : reader.shape(name)) size *= dimension;
  at::Tensor data = at::empty({size}, reader.dtype(name));
  const absl::Status status = reader.Read(name, 0, data);
  EXPECT_TRUE(status.ok()) << status;
  return data;
}

void ExpectSameTensors(const std::string& found_dir, const std::string& expected_dir) {
  const auto found = CheckpointReader::Open(found_dir);
  const auto expected = CheckpointReader::Open(expected_dir);
  ASSERT_TRUE(found.ok() && expected.ok()) << found.status() << expected.status();
  EXPECT_EQ(found->names(), expected->names());
  for (const std::string& name : expected->names()) {
    EXPECT_EQ(found->shape(name), expected->shape(name)) << name;
    EXPECT_TRUE(SameBits(ReadWholeTensor(*found, name), ReadWholeTensor(*expected, name))) << name;
  }
}

TEST(SnapshotTest, AnyLayoutReadsTheBytesOfAnyOther) {
  const ScratchDir scratch;
  const Spread spreads[] = {{1, 1, true}, {2, 2, true}, {2, 1, true}, {2, 1, false}, {4, 2, true}};
  TrainAndSave({4, 2, true}, scratch, "first");
  for (size_t i = 0; i < std::size(spreads); ++i) {
    SCOPED_TRACE("layout " + std::to_string(i));
    const std::string name = "copy" + std::to_string(i);
    LoadAndSave(spreads[i], scratch, "first", name);
    ExpectSameTensors(scratch / name, scratch / "first");
  }
}

struct RanksOfLayout {
  int num_ranks;
  std::string layout;  // text of a layout config
};

// A state that was trained on the first layout is read by each of the others from what the one
// before wrote.
void ExpectSameBytesOn(const std::vector<RanksOfLayout>& layouts, const ModelConfig& config) {
  const ScratchDir scratch;
  std::string hash;
  for (size_t i = 0; i < layouts.size(); ++i) {
    SCOPED_TRACE(absl::StrCat(i, ": ", layouts[i].num_ranks, " ranks, ", layouts[i].layout));
    RunRanks(layouts[i].num_ranks, [&](Communicator& world) {
      const std::string dir = scratch.Shared(world);
      TinyTraining training(world, LayoutOf(layouts[i].layout), config);
      if (i == 0) {
        training.Step(TinyChunkTrainer(), 0);
      } else {
        const auto reader = CheckpointReader::Open(absl::StrCat(dir, "/", i - 1));
        ASSERT_TRUE(reader.ok()) << reader.status();
        EXPECT_EQ(ReadWeights(*reader, "", *training.model), absl::OkStatus());
        EXPECT_EQ(ReadMoments(*reader, *training.state), absl::OkStatus());
      }
      const std::string here = training.Hash();
      if (world.rank() == 0 && i == 0) hash = here;
      EXPECT_EQ(here, world.rank() == 0 ? hash : here);
      EXPECT_EQ(Save(world, absl::StrCat(dir, "/", i), training), absl::OkStatus());
    });
    ExpectSameTensors(scratch / std::to_string(i), scratch / "0");
  }
}

RanksOfLayout RandomPipelineLayout(std::mt19937_64& random) {
  const int pipeline = 1 << random() % 3, experts = 1 << random() % 2, data = 1 << random() % 2;
  constexpr const char* kSchedules[] = {"1f1b", "interleaved_1f1b", "zbv", "dualpipev", "dualpipe"};
  constexpr int kZeroStages[] = {0, 1, 3};
  const int zero_stage = kZeroStages[random() % 3];
  const size_t schedules = std::size(kSchedules) - (zero_stage == 3);  // without dualpipe
  return {pipeline * experts * data,
          absl::StrCat("pipeline_parallel: ", pipeline, " expert_parallel: ", experts,
                       " zero_stage: ", zero_stage, " schedule: \"",
                       kSchedules[random() % schedules], "\"")};
}

TEST(SnapshotTest, FiftyRandomLayoutsReadTheBytesOfTheOneBefore) {
  std::mt19937_64 random(11);
  std::vector<RanksOfLayout> layouts;
  for (int i = 0; i <= 50; ++i) layouts.push_back(RandomPipelineLayout(random));
  ExpectSameBytesOn(layouts, DeepRoutedModel());
}

// Grouped-query attention with biases everywhere.
ModelConfig BiasedModel() {
  ModelConfig config = DeepTiedModel();
  config.set_num_hidden_layers(2);
  config.set_num_attention_heads(4);
  config.set_head_dim(6);
  config.set_num_key_value_heads(2);
  config.set_o_bias(true);
  config.set_mlp_bias(true);
  config.set_qk_norm(true);
  return config;
}

// One rank, layouts with a tensor axis, and back.
const std::vector<RanksOfLayout>& TensorLayouts() {
  static const std::vector<RanksOfLayout> layouts = {
      {1, ""},
      {2, "tensor_parallel: 2 exact: false"},
      {4, "tensor_parallel: 2 exact: false"},
      {2, "tensor_parallel: 2 exact: false zero_stage: 0"},
      {4, "tensor_parallel: 2 exact: false zero_stage: 0"},
      {4, "tensor_parallel: 2 pipeline_parallel: 2 exact: false"},
      {2, ""},
      {4, "tensor_parallel: 2 context_parallel: 2 exact: false"},
      {1, ""}};
  return layouts;
}

TEST(SnapshotTest, TensorAxesReadAndWriteTheSameBytesOfGroupedQueryAttention) {
  ExpectSameBytesOn(TensorLayouts(), BiasedModel());
}

TEST(SnapshotTest, TensorAxesReadAndWriteTheSameBytesOfLatentAttention) {
  ModelConfig config = TinyTrainingModel();
  config.set_q_lora_rank(6);
  config.mutable_moe()->set_first_k_dense_replace(1);
  config.mutable_moe()->set_n_shared_experts(1);
  ExpectSameBytesOn(TensorLayouts(), config);
}

TEST(SnapshotTest, InitialWeightsHaveOneHashOnEveryTensorAxis) {
  std::string whole;
  RunRanks(1, [&](Communicator& world) {
    whole = TinyTraining(world, LayoutOf(""), BiasedModel()).Hash();
  });
  RunRanks(4, [&](Communicator& world) {
    const LayoutConfig layout = LayoutOf("tensor_parallel: 2 exact: false");
    const std::string split = TinyTraining(world, layout, BiasedModel()).Hash();
    EXPECT_EQ(split, world.rank() == 0 ? whole : split);
  });
}

TEST(SnapshotTest, TrainingGoesOnWithTheBitsOfAnUninterruptedRun) {
  const ScratchDir scratch;
  TrainAndSave({2, 2, true}, scratch, "two_steps");
  RunRanks(1, [&](Communicator& world) {
    TinyTraining whole(world, 1, true), resumed(world, 1, true);
    for (int64_t step = 0; step < 2; ++step) whole.Step(TinyChunkTrainer(), step);
    const auto reader = CheckpointReader::Open(scratch / "two_steps");
    ASSERT_TRUE(reader.ok()) << reader.status();
    ASSERT_TRUE(ReadWeights(*reader, "", *resumed.model).ok());
    ASSERT_TRUE(ReadMoments(*reader, *resumed.state).ok());
    resumed.state->set_num_updates(2);
    EXPECT_EQ(resumed.Hash(), whole.Hash());
    whole.Step(TinyChunkTrainer(), 2);
    resumed.Step(TinyChunkTrainer(), 2);
    EXPECT_EQ(resumed.Hash(), whole.Hash());
  });
}

TEST(SnapshotTest, TheReferenceIsSavedBesideTheWeights) {
  const ScratchDir scratch;
  RunRanks(1, [&](Communicator& world) {
    TinyTraining policy(world, 1, true), reference(world, 1, true), read(world, 1, true);
    reference.Step(TinyChunkTrainer(), 0);
    std::vector<TensorSlice> slices = WeightSlices(*policy.model);
    for (TensorSlice& slice : WeightSlices(*reference.model, kReferencePrefix))
      slices.push_back(std::move(slice));
    ASSERT_TRUE(SaveCheckpoint(world, scratch / "c", slices, "{}", {}).ok());
    const auto reader = CheckpointReader::Open(scratch / "c");
    ASSERT_TRUE(reader.ok()) << reader.status();
    ASSERT_TRUE(ReadWeights(*reader, kReferencePrefix, *read.model).ok());
    EXPECT_EQ(read.Hash(), reference.Hash());
    EXPECT_NE(read.Hash(), policy.Hash());
  });
}

// The status of reading weights from a checkpoint whose slices were changed before saving.
template <typename Change>
absl::Status ReadChanged(const ScratchDir& scratch, Change change) {
  absl::Status status;
  RunRanks(1, [&](Communicator& world) {
    TinyTraining training(world, 1, true);
    std::vector<TensorSlice> slices = HeldTensors(*training.model);
    std::sort(slices.begin(), slices.end(),
              [](const TensorSlice& a, const TensorSlice& b) { return a.name < b.name; });
    change(slices);
    ASSERT_TRUE(SaveCheckpoint(world, scratch / "c", slices, "{}", {}).ok());
    const auto reader = CheckpointReader::Open(scratch / "c");
    ASSERT_TRUE(reader.ok()) << reader.status();
    status = ReadWeights(*reader, "", *training.model);
  });
  return status;
}

TEST(SnapshotTest, AMissingTensorIsNamedWithItsShape) {
  const ScratchDir scratch;
  const absl::Status status = ReadChanged(scratch, [](std::vector<TensorSlice>& slices) {
    std::erase_if(slices, [](const TensorSlice& slice) { return slice.name == "lm_head.weight"; });
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), scratch / "c" +
                                  ": lm_head.weight: found no such tensor, expected "
                                  "one of shape [64, 24]");
}

TEST(SnapshotTest, AWrongShapeIsNamedWithBothShapes) {
  const ScratchDir scratch;
  const absl::Status status = ReadChanged(scratch, [](std::vector<TensorSlice>& slices) {
    for (TensorSlice& slice : slices) {
      if (slice.name == "lm_head.weight") slice.shape = {24, 64};
    }
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            scratch / "c" + ": lm_head.weight: found Float [24, 64], expected Float [64, 24]");
}

TEST(SnapshotTest, CopiedWeightsAreTheOthersToTheLastBit) {
  RunRanks(2, [](Communicator& world) {
    TinyTraining from(world, 2, true), to(world, 2, true);
    from.Step(TinyChunkTrainer(), 0);
    EXPECT_NE(to.Hash(), from.Hash());
    CopyWeights(*from.model, *to.model);
    EXPECT_EQ(to.Hash(), from.Hash());
  });
}

}  // namespace
}  // namespace deduce
