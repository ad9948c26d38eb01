#include "data/text/tokenizer/text_pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deduce {
namespace {

using Json = nlohmann::json;

std::string Replaced(const Json& pattern, const std::string& text) {
  return *ReplaceMatches(*ReadTextPattern(pattern, "f", "p"), "<>", text);
}

TEST(TextPatternTest, ReadsTextsAndExpressions) {
  EXPECT_EQ(Replaced({{"String", "."}}, "a.b"), "a<>b");
  EXPECT_EQ(Replaced({{"Regex", "\\d+"}}, "a12b"), "a<>b");
}

TEST(TextPatternTest, ErrorsNameTheField) {
  const auto error = [](const Json& json) {
    return std::string(ReadTextPattern(json, "f", "p").status().message());
  };
  EXPECT_THAT(error({{"Regex", "\\w"}}),
              ::testing::StartsWith("f: p.Regex: found \"\\\\w\" at byte 0, expected"));
  EXPECT_EQ(error({{"String", ""}}), "f: p.String: found \"\", expected a pattern");
  EXPECT_EQ(error({{"Glob", "a"}}), "f: p.Regex: found nothing, expected a text");
  EXPECT_EQ(error({{"String", "a"}, {"Regex", "b"}}),
            "f: p[\"Regex\"]: found \"b\", expected no such field");
}

}  // namespace
}  // namespace deduce
