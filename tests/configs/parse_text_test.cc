#include "configs/parse_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deduce {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string ErrorOf(const std::string& text) {
  return std::string(ParseConfigText(text, "run.textproto").status().message());
}

TEST(ParseTextTest, ReadsNestedAndRepeatedFields) {
  const auto config = ParseConfigText(
      "name: \"a\"  # comment\nmodel { hidden_size: 48 }\nstage { sft { } }\nstage { grpo { "
      "} }",
      "f");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->name(), "a");
  EXPECT_EQ(config->model().hidden_size(), 48);
  ASSERT_EQ(config->stage_size(), 2);
  EXPECT_TRUE(config->stage(1).has_grpo());
}

TEST(ParseTextTest, ErrorsNamePlaceFieldFoundAndExpected) {
  const struct {
    const char* text;
    const char* error;
  } kCases[] = {
      {"model {\n  hiden_size: 4\n}",
       "run.textproto:2:3: model.hiden_size: found an unknown field, expected one of attention, "},
      {"modl { }", "run.textproto:1:1: modl: found an unknown field, expected one of name, "},
      {"name: \"a\"\nname: \"b\"", "run.textproto:2:1: name: found a second value, expected one"},
      {"model { } model { }", "run.textproto:1:11: model: found a second value, expected one"},
      {"model { hidden_size: \"x\" }",
       "run.textproto:1:22: model.hidden_size: found \"x\", expected an integer"},
      {"model { hidden_size: 1.5 }",
       "run.textproto:1:22: model.hidden_size: found \"1.5\", expected an integer"},
      {"stage { steps: many }",
       "run.textproto:1:16: stage.steps: found \"many\", expected an integer"},
      {"seed: -1", "run.textproto:1:7: seed: found \"-\", expected an integer of at least 0"},
      {"seed: 99999999999999999999",
       "run.textproto:1:7: seed: found an integer out of range, expected an integer of at least 0 "
       "of 64 bits"},
      {"stage { optimizer { beta1: high } }",
       "run.textproto:1:28: stage.optimizer.beta1: found \"high\", expected a number"},
      {"name: tiny", "run.textproto:1:7: name: found \"tiny\", expected a string in quotes"},
      {"model {\n  attention: train\n}",
       "run.textproto:2:14: model.attention: found \"train\", expected one of GQA, MLA"},
      {"stage {\n  sft { }\n  grpo { }\n}",
       "run.textproto:3:3: stage.grpo: found it beside sft, expected only one of pretrain, sft, "
       "distill, grpo"},
      {"stage { data { path: \"x\" task { } } }",
       "run.textproto:1:26: stage.data.task: found it beside path, expected only one of path, "
       "task"},
      {"model { rope { linear_factor: 2 yarn { } } }",
       "run.textproto:1:33: model.rope.yarn: found it beside linear_factor, expected only one of "
       "yarn, llama3, linear_factor"},
      {"layout { exact: maybe }",
       "run.textproto:1:17: layout.exact: found \"maybe\", expected true or false"},
      {"model: 3", "run.textproto:1:8: model: found \"3\", expected \"{\""},
      {"model { hidden_size 3 }",
       "run.textproto:1:21: model.hidden_size: found \"3\", expected \":\""},
      {"model { hidden_size: 3",
       "run.textproto:1:23: model: found the end of the text, expected a field or the end of its "
       "message"},
      {"}", "run.textproto:1:1: found \"}\", expected a field or the end of its message"},
      {"name: \"open",
       "run.textproto:1:12: name: found text the parser refuses (Unexpected end of string), "
       "expected protobuf text format"},
  };
  for (const auto& c : kCases) EXPECT_THAT(ErrorOf(c.text), StartsWith(c.error)) << c.text;
}

TEST(ParseTextTest, CommentsAndStringsDoNotShiftTheNamedField) {
  EXPECT_THAT(ErrorOf("# model {\nname: \"stage {\"\nlayout { zero_stage: one }"),
              StartsWith("run.textproto:3:22: layout.zero_stage: "));
}

TEST(ParseTextTest, EveryErrorIsOneLine) {
  EXPECT_THAT(ErrorOf("name: \"a\nb\""), Not(HasSubstr("\n")));
  EXPECT_THAT(ErrorOf("model {\n\n\n"), Not(HasSubstr("\n")));
}

TEST(ParseTextTest, BinaryInputIsAnError) {
  EXPECT_FALSE(ParseConfigText(std::string("\x7f"
                                           "ELF\0\1\2",
                                           7),
                               "f")
                   .ok());
  EXPECT_FALSE(ParseConfigText(std::string("name: \"a\"\0", 10), "f").ok());
}

}  // namespace
}  // namespace deduce
