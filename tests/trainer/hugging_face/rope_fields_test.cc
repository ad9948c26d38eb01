#include "trainer/hugging_face/rope_fields.h"

#include <gtest/gtest.h>

namespace deduce {
namespace {

using Json = nlohmann::json;

RopeConfig Read(const Json& json) {
  ConfigFields fields(json, "c");
  RopeConfig rope = ReadRope(fields, 64);
  EXPECT_EQ(fields.Finish(), absl::OkStatus());
  return rope;
}

std::string Error(const Json& json) {
  ConfigFields fields(json, "c");
  ReadRope(fields, 64);
  return std::string(fields.Finish().message());
}

TEST(RopeFieldsTest, BothSpellingsMeanTheSame) {
  const Json older = {{"rope_theta", 5e5},
                      {"rope_scaling",
                       {{"rope_type", "llama3"},
                        {"factor", 8.0},
                        {"low_freq_factor", 1.0},
                        {"high_freq_factor", 4.0},
                        {"original_max_position_embeddings", 32}}}};
  Json newer = {{"rope_parameters", older["rope_scaling"]}};
  newer["rope_parameters"]["rope_theta"] = 5e5;
  EXPECT_EQ(Read(older).ShortDebugString(), Read(newer).ShortDebugString());
  EXPECT_EQ(Read(newer).theta(), 5e5);
  EXPECT_EQ(Read(newer).llama3().original_max_position_embeddings(), 32);
}

TEST(RopeFieldsTest, NoScalingIsTheDefault) {
  for (const Json& json :
       {Json::object(), Json{{"rope_scaling", nullptr}},
        Json{{"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 10000}}}}}) {
    EXPECT_EQ(Read(json).theta(), 10000);
    EXPECT_FALSE(Read(json).has_yarn() || Read(json).has_llama3());
    EXPECT_EQ(Read(json).linear_factor(), 1);
  }
}

TEST(RopeFieldsTest, YarnWithoutMscalesScalesByTheFactorAlone) {
  const RopeConfig rope = Read({{"rope_scaling", {{"type", "yarn"}, {"factor", 4}}}});
  EXPECT_EQ(rope.yarn().mscale(), 1);
  EXPECT_EQ(rope.yarn().mscale_all_dim(), 0);
  EXPECT_EQ(rope.yarn().original_max_position_embeddings(), 64);
  EXPECT_EQ(rope.yarn().beta_fast(), 32);
}

TEST(RopeFieldsTest, WhatIsNotSupportedIsNamed) {
  EXPECT_EQ(Error({{"rope_scaling", {{"type", "dynamic"}, {"factor", 2}}}}),
            "c: rope_scaling: type: found \"dynamic\", expected default, linear, llama3 or yarn");
  EXPECT_EQ(Error({{"rope_parameters", {{"rope_type", "linear"}, {"factor", 2}, {"mscale", 1}}}}),
            "c: rope_parameters: \"mscale\": found 1, expected a field that this version knows");
  EXPECT_EQ(Error({{"rope_scaling", {{"type", "yarn"}, {"factor", 4}, {"mscale", 1}}}}),
            "c: rope_scaling: mscale_all_dim: found nothing, expected a number beside mscale");
  EXPECT_EQ(Error({{"rope_scaling", {{"type", "yarn"}, {"factor", 4}, {"truncate", false}}}}),
            "c: rope_scaling: truncate: found false, expected true");
  EXPECT_EQ(Error({{"rope_theta", 1e4}, {"rope_parameters", {{"rope_theta", 5e4}}}}),
            "c: rope_parameters: rope_theta: found 50000.0, expected 10000, as beside it");
  EXPECT_EQ(Error({{"partial_rotary_factor", 0.5}}),
            "c: partial_rotary_factor: found 0.5, expected 1.0");
}

TEST(RopeFieldsTest, WhatIsWrittenReadsBackTheSame) {
  RopeConfig linear, llama3, yarn;
  linear.set_linear_factor(3);
  llama3.mutable_llama3()->set_factor(16);
  yarn.mutable_yarn()->set_mscale(0.7);
  yarn.mutable_yarn()->set_mscale_all_dim(0.9);
  for (const RopeConfig& rope : {RopeConfig(), linear, llama3, yarn}) {
    const RopeConfig again = Read({{"rope_parameters", WriteRope(rope)}});
    EXPECT_EQ(WriteRope(again), WriteRope(rope));
    EXPECT_EQ(again.has_yarn(), rope.has_yarn());
    EXPECT_EQ(again.linear_factor(), rope.linear_factor());
  }
}

}  // namespace
}  // namespace deduce
