#include "trainer/checkpoint/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "trainer/checkpoint/content_hash.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;

SliceRecord Slice(int64_t begin, int64_t end) {
  return {.file = "f", .key = "k" + std::to_string(begin), .begin = begin, .end = end, .hash = "h"};
}

Manifest Example() {
  Manifest manifest;
  manifest.num_ranks = 2;
  manifest.state = nlohmann::json::parse(R"({"step":3,"big":18446744073709551615,"lr":0.1})");
  manifest.file_hashes["config.textproto"] = "0123";
  EXPECT_TRUE(AddSlice(manifest, "a", at::kFloat, {2, 3}, Slice(4, 6)).ok());
  EXPECT_TRUE(AddSlice(manifest, "a", at::kFloat, {2, 3}, Slice(0, 4)).ok());
  EXPECT_TRUE(AddSlice(manifest, "empty", at::kLong, {0}, Slice(0, 0)).ok());
  EXPECT_TRUE(CheckCoverage("x", manifest).ok());
  return manifest;
}

std::string ParseError(const std::string& text, absl::StatusCode code) {
  const auto manifest = ParseManifest("m.json", text);
  EXPECT_EQ(manifest.status().code(), code) << manifest.status();
  return std::string(manifest.status().message());
}

TEST(ManifestTest, ComesBackAsItWas) {
  const Manifest before = Example();
  const auto after = ParseManifest("m.json", EncodeManifest(before));
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->state, before.state);
  EXPECT_EQ(after->file_hashes, before.file_hashes);
  EXPECT_EQ(after->tensors.at("a").shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(after->tensors.at("a").slices[1].begin, 4);
  EXPECT_EQ(after->tensors.at("empty").dtype, at::kLong);
  EXPECT_EQ(EncodeManifest(*after), EncodeManifest(before));
}

TEST(ManifestTest, WhatARunGoesOnFromHasItsTypes) {
  for (const char* state :
       {R"({"step": "3"})", R"({"step": -1})", R"({"num_updates": 1.5})", R"({"num_tokens": {}})",
        R"({"weights_hash": 7})", R"({"inputs": {}})", R"({"inputs": [{"hash": 1}]})"}) {
    Manifest manifest = Example();
    manifest.state = nlohmann::json::parse(state);
    EXPECT_THAT(ParseError(EncodeManifest(manifest), absl::StatusCode::kDataLoss),
                HasSubstr("m.json: found another value of state."))
        << state;
  }
}

TEST(ManifestTest, EveryFlippedBitIsFound) {
  const std::string text = EncodeManifest(Example());
  for (size_t bit = 0; bit < 8 * text.size(); ++bit) {
    std::string flipped = text;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(ParseManifest("m.json", flipped).ok()) << "bit " << bit;
  }
}

TEST(ManifestTest, EveryTruncationIsFound) {
  const std::string text = EncodeManifest(Example());
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(ParseManifest("m.json", text.substr(0, size)).ok()) << size;
  }
}

TEST(ManifestTest, ForeignTextIsNamedAsSuch) {
  EXPECT_THAT(ParseError("hello", absl::StatusCode::kDataLoss), HasSubstr("m.json: found"));
  EXPECT_THAT(ParseError("{}", absl::StatusCode::kInvalidArgument), HasSubstr("another format"));
  EXPECT_THAT(ParseError("[]", absl::StatusCode::kInvalidArgument), HasSubstr("another format"));
  EXPECT_THAT(ParseError(R"({"format": "deduce-checkpoint", "version": 3})",
                         absl::StatusCode::kInvalidArgument),
              HasSubstr("version 3, expected 1 or 2"));
}

// A text whose own hash is right, so that only its fields can be wrong.
std::string WithHash(const std::string& body, int version = 1) {
  const std::string head =
      R"({"format": "deduce-checkpoint", "version": )" + std::to_string(version) + R"(, "hash": ")";
  const std::string tail = R"(", "num_ranks": 1, "state": {}, )" + body + "}";
  return head + ContentHash(head + std::string(16, '0') + tail) + tail;
}

TEST(ManifestTest, WrongFieldsUnderARightHashAreRefused) {
  EXPECT_TRUE(ParseManifest("m", WithHash(R"("files": {}, "tensors": {})")).ok());
  const char* const wrong[] = {
      R"("files": {})",
      R"("files": [], "tensors": {})",
      R"("files": {"../up": "h"}, "tensors": {}})",
      R"("files": {"../up": "h"}, "tensors": {})",
      R"("files": {}, "tensors": {"a": 1})",
      R"("files": {}, "tensors": {"a": {"dtype": "F9", "shape": [], "slices": []}})",
      R"("files": {}, "tensors": {"a": {"dtype": "F32", "shape": [-1], "slices": []}})",
      R"("files": {}, "tensors": {"a": {"dtype": "F32", "shape": [1], "slices": []}})",
      R"("files": {}, "tensors": {"a": {"dtype": "F32", "shape": [1], "slices": [{}]}})",
      R"("files": {}, "tensors": {"a": {"dtype": "F32", "shape": [1], "slices":
         [{"file": "/etc/x", "key": "k", "begin": 0, "end": 1, "hash": "h"}]}})",
      R"("files": {}, "tensors": {"a": {"dtype": "F32", "shape": [1], "slices":
         [{"file": "x", "key": "k", "begin": -1, "end": 1, "hash": "h"}]}})",
      R"("files": {}, "tensors": {"a": {"dtype": "F32", "shape": [4611686018427387904, 4],
         "slices": []}})",
  };
  for (const char* body : wrong) ParseError(WithHash(body), absl::StatusCode::kDataLoss);
}

TEST(ManifestTest, GapsAndOverlapsAreRefused) {
  const std::vector<std::vector<SliceRecord>> wrong = {{Slice(0, 3), Slice(4, 6)},
                                                       {Slice(0, 4), Slice(3, 6)},
                                                       {Slice(0, 6), Slice(0, 6)},
                                                       {Slice(1, 6)},
                                                       {Slice(0, 5)},
                                                       {Slice(0, 7)},
                                                       {}};
  for (const auto& slices : wrong) {
    Manifest manifest = Example();
    manifest.tensors["a"].slices = slices;
    EXPECT_EQ(CheckCoverage("x", manifest).code(), absl::StatusCode::kInternal);
  }
}

SliceRecord ColumnSlice(int64_t begin, int64_t end, int64_t from, int64_t to) {
  SliceRecord slice = Slice(begin, end);
  slice.columns = ColumnRange{from, to};
  return slice;
}

// The [2, 3] of the example as its columns 0 and 1, whose four elements are in two slices, and 2.
Manifest ColumnExample() {
  Manifest manifest = Example();
  manifest.tensors["a"].slices = {ColumnSlice(0, 2, 2, 3), ColumnSlice(3, 4, 0, 2),
                                  ColumnSlice(0, 3, 0, 2)};
  EXPECT_EQ(CheckCoverage("x", manifest), absl::OkStatus());
  return manifest;
}

TEST(ManifestTest, ColumnsComeBackAsTheyWere) {
  const Manifest before = ColumnExample();
  const auto after = ParseManifest("m.json", EncodeManifest(before));
  ASSERT_TRUE(after.ok()) << after.status();
  const std::vector<SliceRecord>& slices = after->tensors.at("a").slices;
  ASSERT_EQ(slices.size(), 3u);
  EXPECT_EQ(slices[1].begin, 3);
  EXPECT_EQ(slices[1].columns, (ColumnRange{0, 2}));
  EXPECT_EQ(slices[2].columns, (ColumnRange{2, 3}));
  EXPECT_EQ(EncodeManifest(*after), EncodeManifest(before));
}

TEST(ManifestTest, OnlyColumnsNeedTheSecondVersion) {
  EXPECT_THAT(EncodeManifest(Example()), HasSubstr("\"version\": 1,"));
  EXPECT_THAT(EncodeManifest(ColumnExample()), HasSubstr("\"version\": 2,"));
}

TEST(ManifestTest, EveryFlippedBitOfAManifestWithColumnsIsFound) {
  const std::string text = EncodeManifest(ColumnExample());
  for (size_t bit = 0; bit < 8 * text.size(); ++bit) {
    std::string flipped = text;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(ParseManifest("m.json", flipped).ok()) << "bit " << bit;
  }
}

TEST(ManifestTest, GapsAndOverlapsOfColumnsAreRefused) {
  const std::vector<std::vector<SliceRecord>> wrong = {
      {ColumnSlice(0, 2, 0, 1), ColumnSlice(0, 2, 2, 3)},   // column 1 is missing
      {ColumnSlice(0, 4, 0, 2)},                            // column 2 is missing
      {ColumnSlice(0, 2, 1, 2), ColumnSlice(0, 2, 2, 3)},   // column 0 is missing
      {ColumnSlice(0, 4, 0, 2), ColumnSlice(0, 4, 1, 3)},   // column 1 is there twice
      {ColumnSlice(0, 6, 0, 3), ColumnSlice(0, 4, 0, 2)},   // all are, and again two
      {ColumnSlice(0, 6, 0, 3), Slice(0, 6)},               // all are there, twice
      {ColumnSlice(0, 4, 0, 2), Slice(0, 6)},               // and one of two ways
      {ColumnSlice(0, 3, 0, 2), ColumnSlice(0, 2, 2, 3)},   // an element is missing
      {ColumnSlice(0, 5, 0, 2), ColumnSlice(0, 2, 2, 3)},   // there is one too many
      {ColumnSlice(0, 4, 0, 2), ColumnSlice(0, 4, 2, 4)},   // there is no column 3
      {ColumnSlice(0, 0, 0, 0), ColumnSlice(0, 6, 0, 3)},   // nothing of no columns
      {ColumnSlice(0, 4, 0, 2), ColumnSlice(0, 2, 3, 2)}};  // columns that end before they begin
  for (size_t i = 0; i < wrong.size(); ++i) {
    Manifest manifest = Example();
    manifest.tensors["a"].slices = wrong[i];
    EXPECT_EQ(CheckCoverage("x", manifest).code(), absl::StatusCode::kInternal) << i;
  }
}

TEST(ManifestTest, OnlyMatricesHaveColumns) {
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{6}, {1, 2, 3}, {}}) {
    Manifest manifest;
    EXPECT_TRUE(AddSlice(manifest, "a", at::kFloat, shape, ColumnSlice(0, 6, 0, 3)).ok());
    EXPECT_EQ(CheckCoverage("x", manifest).code(), absl::StatusCode::kInternal);
  }
}

TEST(ManifestTest, WrongColumnsUnderARightHashAreRefused) {
  const auto body = [](const std::string& columns) {
    return R"("files": {}, "tensors": {"a": {"dtype": "F32", "shape": [2, 3], "slices": [{"file": "f",
      "key": "k", "begin": 0, "end": 6, "hash": "h", "columns": )" +
           columns + "}]}}";
  };
  EXPECT_TRUE(ParseManifest("m", WithHash(body("[0, 3]"), 2)).ok());
  for (const char* columns : {"[0, 2]", "[0]", "[0, 3, 3]", "[-1, 3]", "[0, 3.0]", "{}", "3",
                              "[0, 9223372036854775807]", "[0, 18446744073709551615]"}) {
    ParseError(WithHash(body(columns), 2), absl::StatusCode::kDataLoss);
  }
  ParseError(WithHash(body("[0, 3]"), 1), absl::StatusCode::kDataLoss);
}

TEST(ManifestTest, SlicesOfOneTensorMustAgree) {
  Manifest manifest = Example();
  EXPECT_FALSE(AddSlice(manifest, "a", at::kDouble, {2, 3}, Slice(0, 6)).ok());
  EXPECT_FALSE(AddSlice(manifest, "a", at::kFloat, {3, 2}, Slice(0, 6)).ok());
}

}  // namespace
}  // namespace deduce
