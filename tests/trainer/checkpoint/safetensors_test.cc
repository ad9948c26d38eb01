#include "trainer/checkpoint/safetensors.h"

#include <ATen/ops/empty.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "tests/testing/same_bits.h"
#include "tests/trainer/scratch_dir.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

at::Tensor RandomBits(const std::vector<int64_t>& shape, at::ScalarType dtype, uint64_t seed) {
  std::mt19937_64 random(seed);
  at::Tensor tensor = at::empty(shape, dtype);
  auto* bytes = static_cast<uint8_t*>(tensor.mutable_data_ptr());
  for (size_t i = 0; i < tensor.nbytes(); ++i) bytes[i] = static_cast<uint8_t>(random());
  return tensor;
}

// A file of this header and data section.
std::string File(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
}

// Written and read in one pass each: with a pass for each tensor this would take hours.
TEST(SafetensorsTest, WorkIsLinearInTheNumberOfTensors) {
  const ScratchDir dir;
  constexpr int kMany = 300'000;
  std::vector<NamedTensor> tensors;
  const at::Tensor empty = at::empty({0});
  for (int i = 0; i < kMany; ++i) tensors.push_back({"tensor." + std::to_string(i), empty});
  ASSERT_EQ(WriteSafetensors(dir / "many", tensors), absl::OkStatus());
  const auto file = SafetensorsFile::Open(dir / "many");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->entries().size(), size_t{kMany});
}

TEST(SafetensorsTest, EveryTypeAndShapeComesBackBitForBit) {
  const ScratchDir dir;
  const at::ScalarType types[] = {at::kDouble, at::kFloat, at::kBFloat16, at::kHalf,
                                  at::kLong,   at::kInt,   at::kByte};
  const std::vector<int64_t> shapes[] = {{3, 5}, {7}, {}, {0, 4}, {1, 2, 3}};
  std::vector<NamedTensor> tensors;
  for (const auto type : types) {
    for (const auto& shape : shapes) {
      tensors.push_back(
          {SafetensorsDtype(type) + ShapeText(shape), RandomBits(shape, type, tensors.size())});
    }
  }
  ASSERT_TRUE(WriteSafetensors(dir / "a", tensors, {{"format", "pt"}}).ok());
  const auto file = SafetensorsFile::Open(dir / "a");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->entries().size(), tensors.size());
  EXPECT_EQ(file->metadata().at("format"), "pt");
  for (const auto& [name, data] : tensors) {
    const auto read = file->Read(name);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_TRUE(SameBits(*read, data)) << name;
  }
}

TEST(SafetensorsTest, BytesAreThoseOfTheFormat) {
  const ScratchDir dir;
  at::Tensor data = at::empty({2}, at::kInt);
  data.data_ptr<int32_t>()[0] = 1;
  data.data_ptr<int32_t>()[1] = -1;
  ASSERT_TRUE(WriteSafetensors(dir / "a", {{"w", data}}).ok());
  const std::string header = R"({"w":{"dtype":"I32","shape":[2],"data_offsets":[0,8]}})";
  const std::string padding((8 - header.size() % 8) % 8, ' ');
  EXPECT_EQ(Slurp(dir / "a"), File(header + padding, std::string("\x01\0\0\0\xff\xff\xff\xff", 8)));
}

TEST(SafetensorsTest, EveryTruncationIsRefused) {
  const ScratchDir dir;
  ASSERT_TRUE(WriteSafetensors(dir / "a", {{"x", RandomBits({3}, at::kHalf, 1)},
                                           {"y", RandomBits({2}, at::kFloat, 2)}})
                  .ok());
  const std::string whole = Slurp(dir / "a");
  for (size_t size = 0; size < whole.size(); ++size) {
    Spill(dir / "b", whole.substr(0, size));
    EXPECT_EQ(SafetensorsFile::Open(dir / "b").status().code(), absl::StatusCode::kDataLoss)
        << size;
  }
}

struct HostileCase {
  std::string bytes;
  std::string says;
};

std::string OneTensor(const std::string& entry) {
  return File("{\"w\":" + entry + "}", "12345678");
}

const HostileCase kHostile[] = {
    {"", "0 bytes"},
    {std::string("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10), "header of 18446744073709551615 bytes"},
    {std::string("\x03\0\0\0\0\0\0\0{}", 10), "header of 3 bytes"},
    {File("no json", ""), "not JSON"},
    {File("[1]", ""), "another JSON value"},
    {File("{\"w\":\xff}", ""), "not JSON"},
    {File(std::string(100000, '['), ""), "nested more than 64 deep"},
    {OneTensor("1"), "without them"},
    {OneTensor(R"({"shape":[2],"data_offsets":[0,8]})"), "without them"},
    {OneTensor(R"({"dtype":"F8","shape":[2],"data_offsets":[0,8]})"), "found dtype \"F8\""},
    {OneTensor(R"({"dtype":"F32","shape":2,"data_offsets":[0,8]})"), "impossible shape"},
    {OneTensor(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})"), "impossible shape"},
    {OneTensor(R"({"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})"), "impossible shape"},
    {OneTensor(R"({"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]})"),
     "impossible shape"},
    {OneTensor(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})"), "8 bytes, expected 12"},
    {OneTensor(R"({"dtype":"F32","shape":[4],"data_offsets":[0,16]})"), "end <= 8"},
    {OneTensor(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})"), "end <= 8"},
    {OneTensor(R"({"dtype":"F32","shape":[2],"data_offsets":[-8,0]})"), "end <= 8"},
    {OneTensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]})"),
     "end <= 8"},
    {OneTensor(R"({"dtype":"F32","shape":[2],"data_offsets":[8]})"), "end <= 8"},
    {OneTensor(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})"), "last tensor ends"},
    {OneTensor(R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]})"), "the one before it ends"},
    {File(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
          R"("b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
          "123456"),
     "the one before it ends"},
    {File(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
          R"("a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
          "12345678"),
     "key \"a\" twice"},
    {OneTensor(R"({"dtype":"F32","dtype":"I32","shape":[2],"data_offsets":[0,8]})"),
     "key \"dtype\" twice"},
    {File(R"({"__metadata__":[1]})", ""), "__metadata__"},
    {File(R"({"__metadata__":{"a":1}})", ""), "__metadata__"},
    {File("{\"line\\nbreak\":1}", ""), "line\\nbreak"},
};

TEST(SafetensorsTest, HostileHeadersAreRefusedInOneLine) {
  const ScratchDir dir;
  for (const auto& [bytes, says] : kHostile) {
    Spill(dir / "x", bytes);
    const absl::Status status = SafetensorsFile::Open(dir / "x").status();
    ASSERT_FALSE(status.ok()) << says;
    const std::string message(status.message());
    EXPECT_THAT(message, StartsWith((dir / "x") + ": "));
    EXPECT_THAT(message, HasSubstr("found "));
    EXPECT_THAT(message, HasSubstr(", expected "));
    EXPECT_THAT(message, HasSubstr(says));
    EXPECT_THAT(message, Not(HasSubstr("\n")));
  }
}

TEST(SafetensorsTest, RandomDamageToTheHeaderNeverCrashes) {
  const ScratchDir dir;
  ASSERT_TRUE(WriteSafetensors(dir / "a", {{"x", RandomBits({3, 4}, at::kHalf, 1)},
                                           {"y", RandomBits({2}, at::kFloat, 2)}})
                  .ok());
  const std::string whole = Slurp(dir / "a");
  std::mt19937_64 random(3);
  int refused = 0;
  for (int i = 0; i < 100; ++i) {
    std::string bytes = whole;
    for (int n = 0; n < 3; ++n) bytes[random() % (bytes.size() - 32)] = static_cast<char>(random());
    Spill(dir / "b", bytes);
    const auto file = SafetensorsFile::Open(dir / "b");
    refused += !file.ok();
    if (!file.ok()) continue;
    for (const auto& [name, entry] : file->entries()) EXPECT_TRUE(file->Read(name).ok());
  }
  EXPECT_GT(refused, 80);
}

TEST(SafetensorsTest, TheSameNameTwiceIsNotWritten) {
  const ScratchDir dir;
  const at::Tensor data = RandomBits({2}, at::kFloat, 1);
  EXPECT_FALSE(WriteSafetensors(dir / "a", {{"w", data}, {"w", data}}).ok());
  EXPECT_FALSE(std::filesystem::exists(dir / "a"));
}

TEST(SafetensorsTest, UnknownTensorIsNotFound) {
  const ScratchDir dir;
  ASSERT_TRUE(WriteSafetensors(dir / "a", {{"w", RandomBits({2}, at::kFloat, 1)}}).ok());
  EXPECT_EQ(SafetensorsFile::Open(dir / "a")->Read("v").status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace deduce
