#include "trainer/hugging_face/config_fields.h"

#include <gtest/gtest.h>

namespace deduce {
namespace {

using Json = nlohmann::json;

// The message of the error that `read` leaves, or "".
template <typename Read>
std::string MessageOf(const Json& json, const Read& read) {
  ConfigFields fields(json, "c.json");
  read(fields);
  return std::string(fields.Finish().message());
}

TEST(ConfigFieldsTest, ReadsEachTypeAndItsFallback) {
  const Json json = {{"i", 3},   {"r", 0.5},        {"b", true},
                     {"t", "x"}, {"o", {{"a", 1}}}, {"n", nullptr}};
  EXPECT_EQ(MessageOf(json,
                      [](ConfigFields& f) {
                        EXPECT_EQ(f.Integer("i"), 3);
                        EXPECT_EQ(f.Real("i"), 3);
                        EXPECT_EQ(f.Real("r"), 0.5);
                        EXPECT_TRUE(f.Bool("b", false));
                        EXPECT_EQ(f.Text("t", ""), "x");
                        EXPECT_EQ((*f.Object("o"))["a"], 1);
                        EXPECT_EQ(f.Integer("n", 7), 7);
                        EXPECT_EQ(f.Object("absent"), nullptr);
                        EXPECT_EQ(f.Real("absent", 2), 2);
                      }),
            "");
}

TEST(ConfigFieldsTest, AFieldThatNobodyAskedForIsNamed) {
  EXPECT_EQ(MessageOf({{"a", 1}, {"window", 512}}, [](ConfigFields& f) { f.Ignore({"a"}); }),
            "c.json: \"window\": found 512, expected a field that this version knows");
}

TEST(ConfigFieldsTest, AFieldThatSwitchesNothingOnIsHarmless) {
  const Json neutral = {{"a", nullptr},       {"b", false},         {"c", 0}, {"d", 0.0}, {"e", ""},
                        {"f", Json::array()}, {"g", Json::object()}};
  EXPECT_EQ(MessageOf(neutral, [](ConfigFields&) {}), "");
  for (const Json& value :
       {Json(true), Json(1), Json(-0.5), Json("x"), Json({0}), Json({{"a", 0}})})
    EXPECT_NE(MessageOf({{"a", value}}, [](ConfigFields&) {}), "") << value;
}

TEST(ConfigFieldsTest, WrongTypesAndMissingFieldsAreNamed) {
  EXPECT_EQ(MessageOf({{"a", "7"}}, [](ConfigFields& f) { f.Integer("a"); }),
            "c.json: a: found \"7\", expected a whole number");
  EXPECT_EQ(MessageOf({{"a", 7.5}}, [](ConfigFields& f) { f.Integer("a", 1); }),
            "c.json: a: found 7.5, expected a whole number");
  EXPECT_EQ(MessageOf(Json::object(), [](ConfigFields& f) { f.Real("a"); }),
            "c.json: a: found nothing, expected a number");
  EXPECT_EQ(MessageOf({{"a", uint64_t{1} << 63}}, [](ConfigFields& f) { f.Integer("a"); }),
            "c.json: a: found 9223372036854775808, expected a whole number");
}

TEST(ConfigFieldsTest, RequireTakesOneValueOrNone) {
  EXPECT_EQ(MessageOf({{"a", 0}}, [](ConfigFields& f) { f.Require("a", 0.0); }), "");
  EXPECT_EQ(MessageOf(Json::object(), [](ConfigFields& f) { f.Require("a", 0.0); }), "");
  EXPECT_EQ(MessageOf({{"a", 0.1}}, [](ConfigFields& f) { f.Require("a", 0.0); }),
            "c.json: a: found 0.1, expected 0.0");
}

TEST(ConfigFieldsTest, TheFirstErrorStays) {
  EXPECT_EQ(MessageOf(Json::object(),
                      [](ConfigFields& f) {
                        f.Integer("first");
                        f.Integer("second");
                      }),
            "c.json: first: found nothing, expected a whole number");
}

}  // namespace
}  // namespace deduce
