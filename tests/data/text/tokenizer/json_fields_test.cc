#include "data/text/tokenizer/json_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deduce {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(JsonFieldsTest, RemembersTheFirstThingThatIsWrong) {
  const auto json = nlohmann::json::parse(R"({"text": 1, "flag": 2, "number": -1})");
  JsonFields fields(json, "f.json", "model");
  EXPECT_EQ(fields.Text("text"), "");
  EXPECT_FALSE(fields.Flag("flag"));
  EXPECT_EQ(fields.Number("number", 9), 0);
  EXPECT_EQ(fields.Done().message(), "f.json: model.text: found 1, expected a text");
}

TEST(JsonFieldsTest, EveryKindOfMemberIsChecked) {
  const auto json = nlohmann::json::parse(R"({"x": 18446744073709551615})");
  const auto error = [&json](auto read) {
    JsonFields fields(json, "f", "");
    read(fields);
    return std::string(fields.Done().message());
  };
  EXPECT_THAT(error([](JsonFields& f) { f.Flag("x"); }), HasSubstr("expected true or false"));
  EXPECT_THAT(error([](JsonFields& f) { f.Flag("x", true); }), HasSubstr("expected true or false"));
  EXPECT_THAT(error([](JsonFields& f) { f.OptionalText("x"); }), HasSubstr("expected a text"));
  EXPECT_THAT(error([](JsonFields& f) { f.Object("x"); }), HasSubstr("expected an object"));
  EXPECT_THAT(error([](JsonFields& f) { f.Array("x"); }), HasSubstr("expected an array"));
  EXPECT_THAT(error([](JsonFields& f) { f.Number("x", 9); }), HasSubstr("from 0 to 9"));
  EXPECT_THAT(error([](JsonFields& f) { f.ExpectUnsetOr("x", 1); }),
              HasSubstr("expected null or 1"));
  EXPECT_THAT(error([](JsonFields& f) { f.Text("y"); }), StartsWith("f: y: found nothing"));
}

TEST(JsonFieldsTest, MembersNeverAskedForAreErrors) {
  const auto json = nlohmann::json::parse(R"({"known": null, "odd": 3})");
  JsonFields fields(json, "f.json", "decoder");
  EXPECT_EQ(fields.Find("known"), nullptr);
  EXPECT_EQ(fields.Done().message(), "f.json: decoder[\"odd\"]: found 3, expected no such field");
}

TEST(JsonFieldsTest, LongValuesAreCutInMessages) {
  const nlohmann::json value = std::string(100, 'x') + "\n";
  EXPECT_EQ(ShownJson(&value).size(), 60u);
  EXPECT_EQ(ShownText("\n\xff"), "\"\\n\\ufffd\"");
}

}  // namespace
}  // namespace deduce
