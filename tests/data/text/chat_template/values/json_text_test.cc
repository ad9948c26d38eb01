#include "data/text/chat_template/values/json_text.h"

#include <gtest/gtest.h>

namespace deduce::jinja {
namespace {

// What Python's json.dumps gives for these, by hand.
TEST(JsonTextTest, WritesAsPythonDoes) {
  const auto json = nlohmann::ordered_json::parse(
      R"({"b": [1, 2.0, null, true], "a": "x\u007f\u4e09\ud83d\ude00\n\"/"})");
  const Value value = *FromJson(json);
  EXPECT_EQ(*ToJson(value, {}),
            "{\"b\": [1, 2.0, null, true], \"a\": \"x\x7f\u4e09\U0001f600\\n\\\"/\"}");
  EXPECT_EQ(*ToJson(value, {.ensure_ascii = true, .sort_keys = true}),
            "{\"a\": \"x\\u007f\\u4e09\\ud83d\\ude00\\n\\\"/\", \"b\": [1, 2.0, null, true]}");
}

TEST(JsonTextTest, IndentsButNotWhatIsEmpty) {
  const Value value = *FromJson(nlohmann::ordered_json::parse(R"({"a": [1], "b": [], "c": {}})"));
  EXPECT_EQ(*ToJson(value, {.indent = "  "}),
            "{\n  \"a\": [\n    1\n  ],\n  \"b\": [],\n  \"c\": {}\n}");
}

TEST(JsonTextTest, KeysBecomeStrings) {
  const Value value =
      Value::Dict({{Value::Int(1), Value::Int(2)}, {Value::None(), Value::Float(0.5)}});
  EXPECT_EQ(*ToJson(value, {}), "{\"1\": 2, \"null\": 0.5}");
}

TEST(JsonTextTest, UndefinedValuesHaveNoForm) {
  EXPECT_FALSE(ToJson(Value::List({Value()}), {}).ok());
}

TEST(JsonTextTest, RefusesWhatItCannotHold) {
  EXPECT_FALSE(FromJson(nlohmann::ordered_json(uint64_t{1} << 63)).ok());
  EXPECT_FALSE(FromJson(nlohmann::ordered_json("\xff")).ok());
  nlohmann::ordered_json deep = 1;
  for (int i = 0; i < kMaxNesting + 1; ++i) deep = nlohmann::ordered_json::array({deep});
  EXPECT_FALSE(FromJson(deep).ok());
}

}  // namespace
}  // namespace deduce::jinja
