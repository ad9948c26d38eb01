#include "trainer/hugging_face/weight_files.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/trainer/scratch_dir.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;

constexpr char kIndex[] = "model.safetensors.index.json";

void Write(const std::string& path, const std::vector<std::string>& names) {
  std::vector<NamedTensor> tensors;
  for (const std::string& name : names) tensors.push_back({name, at::ones({2, 3})});
  ASSERT_EQ(WriteSafetensors(path, tensors), absl::OkStatus());
}

// Two shards with the tensors a and b, c, under this index.
std::string ErrorOf(const std::string& index) {
  const ScratchDir dir;
  Write(dir / "1.safetensors", {"a"});
  Write(dir / "2.safetensors", {"b", "c"});
  Spill(dir / kIndex, index);
  return std::string(WeightFiles::Open(dir.path()).status().message());
}

TEST(WeightFilesTest, OneFileOrSeveralUnderAnIndex) {
  const ScratchDir one, several;
  Write(one / "model.safetensors", {"a", "b"});
  const auto single = WeightFiles::Open(one.path());
  ASSERT_TRUE(single.ok()) << single.status();
  EXPECT_EQ(single->tensors().size(), 2u);
  EXPECT_EQ(single->Find("a")->size, 24);
  EXPECT_EQ(single->Find("c"), nullptr);
  EXPECT_EQ(ErrorOf(R"({"metadata": {"total_size": 72}, "weight_map":
      {"a": "1.safetensors", "b": "2.safetensors", "c": "2.safetensors"}})"),
            "");
}

TEST(WeightFilesTest, AFileThatIsCutAfterwardsIsAnErrorOfReading) {
  const ScratchDir dir;
  Write(dir / "model.safetensors", {"a"});
  const auto files = WeightFiles::Open(dir.path());
  ASSERT_TRUE(files.ok()) << files.status();
  const WeightFiles::Tensor& tensor = *files->Find("a");
  std::vector<float> values(6);
  const std::span<char> bytes(reinterpret_cast<char*>(values.data()), 24);
  ASSERT_EQ(tensor.Read(0, bytes), absl::OkStatus());
  EXPECT_EQ(values, std::vector<float>(6, 1));
  std::filesystem::resize_file(dir / "model.safetensors", tensor.begin + 20);
  const absl::Status status = tensor.Read(0, bytes);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("model.safetensors: found the end at byte"));
}

TEST(WeightFilesTest, AnIndexThatLiesIsCaught) {
  EXPECT_THAT(
      ErrorOf(
          R"({"weight_map": {"a": "1.safetensors", "b": "1.safetensors", "c": "2.safetensors"}})"),
      HasSubstr("found tensor \"b\" in 1.safetensors, expected it in "));
  EXPECT_THAT(ErrorOf(R"({"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}})"),
              HasSubstr("2.safetensors: found tensor \"c\", expected those that"));
  EXPECT_THAT(ErrorOf(R"({"weight_map": {"a": "1.safetensors", "b": "2.safetensors",
      "c": "2.safetensors", "d": "2.safetensors"}})"),
              HasSubstr("found tensor \"d\" in 2.safetensors, expected it in no file"));
  EXPECT_THAT(ErrorOf(R"({"weight_map": {"a": "../1.safetensors"}})"),
              HasSubstr("../1.safetensors"));
  EXPECT_THAT(ErrorOf(R"({"weight_map": {"a": "3.safetensors"}})"), HasSubstr("3.safetensors"));
  EXPECT_THAT(ErrorOf(R"({"weight_map": {"a": 1}})"), HasSubstr("expected NAME.safetensors"));
  EXPECT_THAT(ErrorOf(R"({"a": "1.safetensors"})"), HasSubstr("found no weight_map"));
  EXPECT_THAT(ErrorOf(R"({"weight_map": {"a": "1.safetensors", "a": "2.safetensors"}})"),
              HasSubstr("key \"a\" twice"));
}

TEST(WeightFilesTest, ATensorInTwoFilesIsCaught) {
  const ScratchDir dir;
  Write(dir / "1.safetensors", {"a"});
  Write(dir / "2.safetensors", {"a", "b"});
  Spill(dir / kIndex, R"({"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}})");
  EXPECT_THAT(std::string(WeightFiles::Open(dir.path()).status().message()),
              HasSubstr("found tensor \"a\" again"));
}

TEST(WeightFilesTest, NoFilesAndBothKindsAreErrors) {
  const ScratchDir dir;
  EXPECT_THAT(std::string(WeightFiles::Open(dir.path()).status().message()),
              HasSubstr("found neither"));
  Write(dir / "model.safetensors", {"a"});
  Spill(dir / kIndex, R"({"weight_map": {"a": "model.safetensors"}})");
  EXPECT_THAT(std::string(WeightFiles::Open(dir.path()).status().message()),
              HasSubstr("found both"));
}

}  // namespace
}  // namespace deduce
