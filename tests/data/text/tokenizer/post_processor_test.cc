#include "data/text/tokenizer/post_processor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deduce {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;

Json Template(int id) {
  const Json token = {{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}};
  const Json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  return {{"type", "TemplateProcessing"},
          {"single", {token, text, token, token}},
          {"pair", Json::array()},
          {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {id}}, {"tokens", {"<s>"}}}}}}};
}

std::string ErrorOf(const Json& json) {
  return std::string(PostProcessor::FromJson(&json, "f", 9).status().message());
}

TEST(PostProcessorTest, TemplatesPutTokensAround) {
  const Json json = Template(7);
  const auto processor = PostProcessor::FromJson(&json, "f", 9);
  ASSERT_TRUE(processor.ok()) << processor.status();
  EXPECT_THAT(processor->before(), ElementsAre(7));
  EXPECT_THAT(processor->after(), ElementsAre(7, 7));
}

TEST(PostProcessorTest, SequencesGoOutwards) {
  const Json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", false}};
  const Json json = {{"type", "Sequence"}, {"processors", {bytes, Template(7), Template(8)}}};
  const auto processor = PostProcessor::FromJson(&json, "f", 9);
  EXPECT_THAT(processor->before(), ElementsAre(8, 7));
  EXPECT_THAT(processor->after(), ElementsAre(7, 7, 8, 8));
}

TEST(PostProcessorTest, WhatDoesNotFitIsAnError) {
  EXPECT_THAT(ErrorOf(Template(9)),
              HasSubstr("special_tokens[\"<s>\"].ids: found [9], expected ids below 9"));
  Json json = Template(7);
  json["single"].erase(1);
  EXPECT_THAT(ErrorOf(json), HasSubstr("single: found"));
  json = Template(7);
  json["single"][1]["Sequence"]["id"] = "B";
  EXPECT_THAT(ErrorOf(json), HasSubstr("single[1].Sequence.id: found \"B\""));
  json = Template(7);
  json["single"][0]["SpecialToken"]["id"] = "x";
  EXPECT_THAT(ErrorOf(json), HasSubstr("single[0].SpecialToken.id: found \"x\""));
  EXPECT_THAT(ErrorOf({{"type", "BertProcessing"}}),
              HasSubstr("post_processor.type: found \"BertProcessing\""));
}

}  // namespace
}  // namespace deduce
