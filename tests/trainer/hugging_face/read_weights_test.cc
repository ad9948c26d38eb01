#include "trainer/hugging_face/read_weights.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "tests/testing/rank_group.h"
#include "tests/trainer/hugging_face/tiny_folder.h"
#include "trainer/step/tensor_slices.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;

// The tensors of a folder's file, to be changed and written back.
std::map<std::string, at::Tensor> Tensors(const std::string& dir) {
  const auto file = SafetensorsFile::Open(dir + "/model.safetensors");
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [name, entry] : file->entries()) tensors[name] = *file->Read(name);
  return tensors;
}

using Change = std::function<void(std::map<std::string, at::Tensor>&)>;

// Writes the folder of `config` after a change of its tensors.
void WriteChanged(const ModelConfig& config, const std::string& dir, const Change& change) {
  WriteTinyFolder(config, dir);
  auto tensors = Tensors(dir);
  change(tensors);
  std::vector<NamedTensor> list;
  for (const auto& [name, data] : tensors) list.push_back({name, data});
  EXPECT_EQ(WriteSafetensors(dir + "/model.safetensors", list), absl::OkStatus());
}

// What verifying says of the folder of `config` after a change of its tensors.
std::string MessageAfter(const ModelConfig& config, const Change& change) {
  const ScratchDir dir;
  WriteChanged(config, dir / "m", change);
  const auto folder = HuggingFaceFolder::Open(dir / "m");
  if (!folder.ok()) return std::string(folder.status().message());
  return std::string(VerifyHuggingFaceWeights(*folder).message());
}

constexpr char kDown[] = "model.layers.0.mlp.down_proj.weight";  // [24, 40]

TEST(ReadWeightsTest, EveryRankReadsWhatItHolds) {
  const ScratchDir scratch;
  RunRanks(2, [&](Communicator& world) {
    const std::string dir = scratch.Shared(world) + "/m";
    if (world.rank() == 0) WriteTinyFolder(TinyRoutedModel(), dir, /*max_shard_bytes=*/20000);
    world.Barrier();
    const auto folder = HuggingFaceFolder::Open(dir);
    ASSERT_TRUE(folder.ok()) << folder.status();
    RankGroups ranks = MakeRankGroups(world, Layout{.expert_parallel = 2,
                                                    .num_ranks = 2,
                                                    .rank = world.rank(),
                                                    .expert_rank = world.rank()});
    RankModel model(folder->model, 99, ranks, /*sharded=*/true);
    ASSERT_EQ(ReadHuggingFaceWeights(*folder, model), absl::OkStatus());
    StoredModel expected(TinyRoutedModel());
    EXPECT_EQ(*HashOfWeights(model), *HashOfWeights(expected.model));
  });
}

// fp8 among them, whose scales are of blocks.
TEST(ReadWeightsTest, EveryTensorRankReadsItsPieces) {
  for (const ModelConfig& config : {TinyDenseModel(), TinyRoutedModel()}) {
    const ScratchDir scratch;
    RunRanks(4, [&](Communicator& world) {
      const std::string dir = scratch.Shared(world) + "/m";
      if (world.rank() == 0) {
        WriteChanged(config, dir, [](auto& t) {
          t[kDown] = t[kDown].to(at::kFloat8_e4m3fn);
          t[std::string(kDown) + "_scale_inv"] = at::full({1, 1}, 0.75, at::kFloat);
        });
      }
      world.Barrier();
      const auto folder = HuggingFaceFolder::Open(dir);
      ASSERT_TRUE(folder.ok()) << folder.status();
      RankGroups ranks = MakeRankGroups(world, Layout{.data_parallel = 2,
                                                      .tensor_parallel = 2,
                                                      .num_ranks = 4,
                                                      .rank = world.rank(),
                                                      .data_rank = world.rank() / 2,
                                                      .tensor_rank = world.rank() % 2});
      RankModel model(folder->model, 99, ranks, /*sharded=*/true);
      ASSERT_EQ(ReadHuggingFaceWeights(*folder, model), absl::OkStatus());
      StoredModel whole(config);
      ASSERT_EQ(ReadHuggingFaceWeights(*folder, whole.model), absl::OkStatus());
      EXPECT_EQ(*HashOfWeights(model), *HashOfWeights(whole.model));
    });
  }
}

TEST(ReadWeightsTest, AFileThatIsCutWhileItIsReadIsNamed) {
  const ScratchDir dir;
  WriteTinyFolder(TinyDenseModel(), dir / "m");
  const auto folder = HuggingFaceFolder::Open(dir / "m");
  ASSERT_TRUE(folder.ok()) << folder.status();
  std::filesystem::resize_file(dir / "m/model.safetensors", 4096);
  const absl::Status status = VerifyHuggingFaceWeights(*folder);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("model.safetensors: found the end at byte"));
}

TEST(ReadWeightsTest, SoundFoldersOfEveryKindPass) {
  for (const ModelConfig& config : {TinyDenseModel(), TinyRoutedModel()})
    EXPECT_EQ(MessageAfter(config, [](auto&) {}), "");
}

TEST(ReadWeightsTest, WhatIsWrongWithATensorIsNamed) {
  const ModelConfig dense = TinyDenseModel();
  EXPECT_THAT(MessageAfter(dense, [](auto& t) { t.erase(kDown); }),
              HasSubstr("down_proj.weight\": found nothing, expected a tensor of shape [24, 40]"));
  EXPECT_THAT(MessageAfter(dense, [](auto& t) { t["more"] = t[kDown]; }),
              HasSubstr("tensor \"more\": found F32 [24, 40], expected only tensors of the model"));
  EXPECT_THAT(MessageAfter(dense, [](auto& t) { t[kDown] = t[kDown].t().contiguous(); }),
              HasSubstr("found F32 [40, 24], expected the shape [24, 40]"));
  EXPECT_THAT(MessageAfter(dense, [](auto& t) { t[kDown] = t[kDown].to(at::kLong); }),
              HasSubstr("found I64 [24, 40], expected F32, BF16, F16 or F8_E4M3"));
  EXPECT_THAT(MessageAfter(dense, [](auto& t) { t[kDown] = t[kDown].to(at::kFloat8_e4m3fn); }),
              HasSubstr("weight_scale_inv\": found nothing, expected F32 [1, 1] beside F8_E4M3"));
  for (const float wrong : {NAN, INFINITY}) {
    EXPECT_THAT(MessageAfter(dense, [&](auto& t) { t[kDown][3][5] = wrong; }),
                HasSubstr("down_proj.weight\": found NaN or infinity, expected finite numbers"));
  }
  EXPECT_THAT(
      MessageAfter(dense,
                   [](auto& t) { t[std::string(kDown) + "_scale_inv"] = t["model.norm.weight"]; }),
      HasSubstr("expected only tensors of the model"));
}

TEST(ReadWeightsTest, ATiedHeadMayBeRepeatedButNotDiffer) {
  ModelConfig tied = TinyDenseModel();
  tied.set_tie_word_embeddings(true);
  const auto repeat = [](auto& t) { t["lm_head.weight"] = t["model.embed_tokens.weight"].clone(); };
  EXPECT_EQ(MessageAfter(tied, repeat), "");
  EXPECT_THAT(
      MessageAfter(tied,
                   [&](auto& t) {
                     repeat(t);
                     t["lm_head.weight"][0][0] += 1;
                   }),
      HasSubstr(
          "lm_head.weight\": found other contents, expected those of model.embed_tokens.weight"));
}

TEST(ReadWeightsTest, AFolderWithoutThePredictionModuleIsAModelWithoutIt) {
  EXPECT_EQ(MessageAfter(TinyRoutedModel(),
                         [](auto& t) {
                           std::erase_if(t, [](const auto& e) {
                             return e.first.starts_with("model.layers.3.");
                           });
                         }),
            "");
}

}  // namespace
}  // namespace deduce
