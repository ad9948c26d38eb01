#include "trainer/checkpoint/strict_json.h"

#include <gtest/gtest.h>

namespace deduce {
namespace {

TEST(StrictJsonTest, TakesObjects) {
  const auto json = ParseJsonObject("f", R"({"a": {"b": 1}, "c": {"b": 2}})");
  ASSERT_TRUE(json.ok());
  EXPECT_EQ((*json)["c"]["b"], 2);
}

TEST(StrictJsonTest, RefusesOtherTextAndNamesThatStandTwice) {
  for (const char* text : {"", "[1]", "{", "nul", "{\"a\":\xff}"}) {
    EXPECT_EQ(ParseJsonObject("f", text).status().message(),
              "f: found text that is no JSON object, expected one");
  }
  EXPECT_EQ(ParseJsonObject("f", R"({"x": {"a": 1, "a": 1}})").status().message(),
            "f: found the name \"a\" twice, expected unique names");
}

TEST(StrictJsonTest, NamesAreQuotedEscapedAndCut) {
  EXPECT_EQ(QuotedName("a\n\"b"), "\"a\\n\\\"b\"");
  EXPECT_EQ(QuotedName(std::string(1000, 'x')).size(), 102u);
}

}  // namespace
}  // namespace deduce
