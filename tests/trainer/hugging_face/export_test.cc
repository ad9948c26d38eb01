#include "trainer/hugging_face/export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/trainer/hugging_face/tiny_folder.h"
#include "trainer/hugging_face/folder.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;

std::string BytesOf(const WeightFiles& files, const std::string& name) {
  const WeightFiles::Tensor& tensor = *files.Find(name);
  std::string bytes(tensor.size, '\0');
  EXPECT_EQ(tensor.Read(0, bytes), absl::OkStatus());
  return bytes;
}

TEST(ExportTest, ShardsHoldAtMostTheirBytesAndTheIndexNamesEveryTensor) {
  const ScratchDir dir;
  WriteTinyFolder(TinyDenseModel(), dir / "one");
  WriteTinyFolder(TinyDenseModel(), dir / "many", /*max_shard_bytes=*/8000);
  const auto one = WeightFiles::Open(dir / "one");
  const auto many = WeightFiles::Open(dir / "many");
  ASSERT_TRUE(one.ok() && many.ok()) << many.status();
  std::map<std::string, size_t> bytes;
  ASSERT_EQ(many->tensors().size(), one->tensors().size());
  for (const auto& [name, tensor] : one->tensors()) {
    EXPECT_EQ(BytesOf(*many, name), BytesOf(*one, name)) << name;
    bytes[many->Find(name)->path] += tensor.size;
  }
  EXPECT_GT(bytes.size(), 4u);
  for (const auto& [path, size] : bytes) EXPECT_LE(size, 8000u) << path;
}

TEST(ExportTest, TensorsAreWrittenInTheTypesOfTheirSource) {
  const ScratchDir dir;
  StoredModel stored(TinyDenseModel());
  const std::map<std::string, std::string> files = {
      {kSourceDtypes, R"({"model.norm.weight": "BF16", "lm_head.weight": "F16"})"}};
  ASSERT_EQ(ExportHuggingFace(TinyRequest(stored, dir / "m/", files)), absl::OkStatus());
  const auto written = WeightFiles::Open(dir / "m");
  EXPECT_EQ(written->Find("model.norm.weight")->dtype, at::kBFloat16);
  EXPECT_EQ(written->Find("lm_head.weight")->dtype, at::kHalf);
  EXPECT_EQ(written->Find("model.embed_tokens.weight")->dtype, at::kFloat);
  EXPECT_FALSE(std::filesystem::exists((dir / "m/") + kSourceDtypes));
}

TEST(ExportTest, ATypeThatIsAskedForIsThatOfAllTensorsAndOfTheConfig) {
  const ScratchDir dir;
  StoredModel stored(TinyDenseModel());
  const std::map<std::string, std::string> files = {
      {"config.json", R"({"torch_dtype": "float32", "other": 1})"},
      {kSourceDtypes, R"({"model.norm.weight": "F32"})"}};
  ExportRequest request = TinyRequest(stored, dir / "m", files);
  request.dtype = at::kHalf;
  ASSERT_EQ(ExportHuggingFace(request), absl::OkStatus());
  const auto written = WeightFiles::Open(dir / "m");
  ASSERT_TRUE(written.ok()) << written.status();
  for (const auto& [name, tensor] : written->tensors()) EXPECT_EQ(tensor.dtype, at::kHalf) << name;
  EXPECT_EQ(nlohmann::json::parse(Slurp(dir / "m/config.json")),
            nlohmann::json::parse(R"({"torch_dtype": "float16", "other": 1})"));
}

TEST(ExportTest, ANumberBeyondTheTypeIsRefused) {
  const ScratchDir dir;
  StoredModel stored(TinyDenseModel());
  ExportRequest request = TinyRequest(stored, dir / "m");
  request.dtype = at::kHalf;
  request.tensors[0].data.mutable_data_ptr<float>()[1] = 70000;
  const absl::Status status = ExportHuggingFace(request);
  EXPECT_THAT(std::string(status.message()), HasSubstr("found a number beyond the range of Half"));
  EXPECT_FALSE(std::filesystem::exists(dir / "m"));
  request.dtype = at::kBFloat16;
  EXPECT_EQ(ExportHuggingFace(request), absl::OkStatus());
}

TEST(ExportTest, SelectionBiasesKeepTheirType) {
  const ScratchDir dir;
  StoredModel stored(TinyRoutedModel());
  ExportRequest request = TinyRequest(stored, dir / "m");
  request.dtype = at::kBFloat16;
  ASSERT_EQ(ExportHuggingFace(request), absl::OkStatus());
  const auto written = WeightFiles::Open(dir / "m");
  int biases = 0;
  for (const auto& [name, tensor] : written->tensors()) {
    const bool is_bias = name.ends_with("e_score_correction_bias");
    biases += is_bias ? 1 : 0;
    EXPECT_EQ(tensor.dtype, is_bias ? at::kFloat : at::kBFloat16) << name;
  }
  EXPECT_GT(biases, 0);
  EXPECT_EQ(nlohmann::json::parse(Slurp(dir / "m/config.json"))["dtype"], "bfloat16");
}

TEST(ExportTest, SecondNamesAreWrittenWhereTheSourceHadThem) {
  const ScratchDir dir;
  ModelConfig tied = TinyDenseModel();
  tied.set_tie_word_embeddings(true);
  StoredModel stored(tied);
  ASSERT_EQ(ExportHuggingFace(TinyRequest(stored, dir / "without")), absl::OkStatus());
  EXPECT_EQ(WeightFiles::Open(dir / "without")->Find("lm_head.weight"), nullptr);
  const std::map<std::string, std::string> files = {
      {kSourceDtypes, R"({"lm_head.weight": "F32"})"}};
  ASSERT_EQ(ExportHuggingFace(TinyRequest(stored, dir / "with", files)), absl::OkStatus());
  const auto with = WeightFiles::Open(dir / "with");
  ASSERT_NE(with->Find("lm_head.weight"), nullptr);
  EXPECT_EQ(BytesOf(*with, "lm_head.weight"), BytesOf(*with, "model.embed_tokens.weight"));
}

TEST(ExportTest, WhatIsThereStaysAndAFailureLeavesNothing) {
  const ScratchDir dir;
  StoredModel stored(TinyDenseModel());
  Spill(dir / "m", "mine");
  EXPECT_EQ(ExportHuggingFace(TinyRequest(stored, dir / "m")).code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Slurp(dir / "m"), "mine");
  ExportRequest odd = TinyRequest(stored, dir / "odd");
  odd.model.set_o_bias(true);
  EXPECT_EQ(ExportHuggingFace(odd).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(dir / "odd"));
  EXPECT_FALSE(std::filesystem::exists(dir / "odd.partial"));
}

}  // namespace
}  // namespace deduce
