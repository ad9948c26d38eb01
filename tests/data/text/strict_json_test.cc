#include "data/text/strict_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deduce {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using ::testing::HasSubstr;

std::string ErrorOf(const std::string& text) {
  return std::string(ParseJsonObject(text, "f.json").status().message());
}

std::string Nested(int depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(StrictJsonTest, TakesObjects) {
  const auto object = ParseJsonObject(R"({"a": {"b": 1}, "c": {"b": 2}})", "f");
  ASSERT_TRUE(object.ok());
  EXPECT_EQ((*object)["c"]["b"], 2);
}

TEST(StrictJsonTest, RefusesWhatIsNoSoundObject) {
  EXPECT_EQ(
      ErrorOf("{"),
      "f.json: found text that is not JSON at byte 2 (syntax error while parsing object key - "
      "unexpected end of input; expected string literal), expected a JSON object");
  EXPECT_EQ(ErrorOf("[1]"), "f.json: found another JSON value, expected a JSON object");
  EXPECT_THAT(ErrorOf(""), HasSubstr("not JSON"));
  EXPECT_THAT(ErrorOf("{\"a\": \"\xff\"}"), HasSubstr("not JSON"));
  EXPECT_THAT(ErrorOf("{\"a\": \"\\ud800\"}"), HasSubstr("not JSON"));
  EXPECT_THAT(ErrorOf("{\"a\": NaN}"), HasSubstr("not JSON at byte 7"));
  EXPECT_THAT(ErrorOf("{\"a\": 1, \"a\": 2}"), HasSubstr("key \"a\" twice in one object"));
  EXPECT_THAT(ErrorOf("{\"b\": [{\"a\": 1, \"a\": 2}]}"), HasSubstr("key \"a\" twice"));
}

TEST(StrictJsonTest, ANameThatStandsTwiceHasItsLastValue) {
  const std::string text = R"({"a": 1, "b": 2, "a": 3})";
  EXPECT_EQ((*ParseJson<nlohmann::json>(text, "f", "x"))["a"], 3);
  EXPECT_EQ((*ParseJson<nlohmann::ordered_json>(text, "f", "x"))["a"], 3);
}

TEST(StrictJsonTest, EqualKeysOfTwoObjectsAreSound) {
  EXPECT_TRUE(ParseJsonObject("{\"a\": {\"a\": 1}, \"b\": {\"a\": 1}}", "f").ok());
}

TEST(StrictJsonTest, RefusesDepthWithoutFollowingIt) {
  for (const int depth : {65, 1000000}) {
    EXPECT_EQ(ParseJson<json>(Nested(depth), "f", "JSON").status().message(),
              "f: found values nested more than 64 deep, expected JSON");
    EXPECT_FALSE(ParseJson<ordered_json>(std::string(depth, '['), "f", "JSON").ok());
  }
  EXPECT_TRUE(ParseJson<json>(Nested(64), "f", "JSON").ok());
  EXPECT_TRUE(ParseJson<json>("\"" + std::string(100, '[') + "\"", "f", "JSON").ok());
}

// One pass: a parser with callbacks would go through all members at the end of each.
TEST(StrictJsonTest, WorkIsLinearInTheNumberOfMembers) {
  std::string text = "{\"list\": [{}";
  for (int i = 0; i < 300'000; ++i) text += ",{}";
  text += "]";
  for (int i = 0; i < 300'000; ++i) text += ",\"n" + std::to_string(i) + "\":{}";
  const auto object = ParseJsonObject(text + "}", "f");
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ(object->size(), 300'001u);
}

TEST(StrictJsonTest, OrderIsKeptForSoManyNames) {
  ordered_json many = ordered_json::object();
  for (size_t i = 0; i < kMostOrderedNames; ++i) many["n" + std::to_string(i)] = 1;
  EXPECT_EQ(*ParseJson<ordered_json>(many.dump(), "f", "JSON"), many);
  many["more"] = 1;
  EXPECT_EQ(ParseJson<ordered_json>(many.dump(), "f", "JSON").status().message(),
            "f: found an object of more than 1000 names, expected JSON");
  EXPECT_TRUE(ParseJson<json>(many.dump(), "f", "JSON").ok());
}

TEST(StrictJsonTest, NamesAreQuotedEscapedAndCut) {
  EXPECT_EQ(QuotedName("a\n\"b"), "\"a\\n\\\"b\"");
  EXPECT_EQ(QuotedName(std::string(1000, 'x')).size(), 102u);
}

}  // namespace
}  // namespace deduce
