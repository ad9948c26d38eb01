#include "data/records/json_row.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deduce {
namespace {

using ::testing::HasSubstr;

std::string ParseErrorOf(const std::string& line) {
  return std::string(ParseRow(line, "d.jsonl:3").status().message());
}

TEST(JsonRowTest, WhatIsNotJsonIsRefusedWithPlaceAndReason) {
  const struct {
    std::string line;
    const char* message;
  } cases[] = {
      {R"({"answer": NaN})",
       "d.jsonl:3: found text that is not JSON at byte 12 (syntax error "
       "while parsing value - invalid literal), expected a JSON object"},
      {R"({"a": "\ud800"})",
       "at byte 14 (syntax error while parsing value - invalid string: "
       "surrogate U+D800..U+DBFF must be followed by U+DC00..U+DFFF)"},
      {R"({"a": 1)", "(syntax error while parsing object - unexpected end of input; expected '}')"},
      {R"({"a": 1e999})", "(number overflow parsing '1e999')"},
      {"{\"a\": \"\xff\"}", "d.jsonl:3: found 0xff at byte 7 of the line, expected UTF-8"},
      {"[1]", "d.jsonl:3: found array, expected a JSON object"},
  };
  for (const auto& bad : cases) EXPECT_THAT(ParseErrorOf(bad.line), HasSubstr(bad.message));
}

TEST(JsonRowTest, ARowMayNotBeDeep) {
  const std::string deep = "{\"a\": " + std::string(100, '[') + std::string(100, ']') + "}";
  EXPECT_THAT(ParseErrorOf(deep), HasSubstr("d.jsonl:3: found values nested more than"));
}

TEST(JsonRowTest, ANumberIsTakenLetterForLetter) {
  for (const char* number : {"7", "-0", "2.50", "1E3", "12345678901234567890123"}) {
    const std::string line = absl::StrCat(
        R"({"prompt": "\"answer\": 3", "in": {"answer": 4}, "x": "answer", "answer" : )", number,
        "}\n");
    EXPECT_EQ(NumberAsWritten(line, "answer"), number);
  }
}

TEST(JsonRowTest, OfAKeyThatComesAgainTheLastNumberCounts) {
  EXPECT_EQ(NumberAsWritten(R"({"answer":1,"answer":2.0})", "answer"), "2.0");
}

}  // namespace
}  // namespace deduce
