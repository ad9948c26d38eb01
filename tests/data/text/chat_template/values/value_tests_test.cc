#include "data/text/chat_template/values/value_tests.h"

#include <gtest/gtest.h>

#include "tests/data/text/chat_template/rendering.h"

namespace deduce::jinja {
namespace {

bool Is(const Value& value, const std::string& test, std::vector<Value> arguments = {}) {
  return *ApplyTest(test, value, {std::move(arguments), {}});
}

TEST(ValueTestsTest, KindsAsPythonSeesThem) {
  EXPECT_TRUE(Is(Value::Bool(true), "number"));
  EXPECT_FALSE(Is(Value::Bool(true), "integer"));
  EXPECT_TRUE(Is(Value::String(""), "iterable"));
  EXPECT_TRUE(Is(Value(), "iterable"));  // and so it is in Jinja
  EXPECT_TRUE(Is(Value(), "sequence"));
  EXPECT_FALSE(Is(Value::None(), "iterable"));
  EXPECT_TRUE(Is(Value::Dict({}), "sequence"));
  EXPECT_FALSE(Is(Value::Generator({}), "sequence"));
  EXPECT_TRUE(Is(Value::None(), "defined"));
}

TEST(ValueTestsTest, WithArguments) {
  EXPECT_TRUE(Is(Value::Int(3), "odd"));
  EXPECT_TRUE(Is(Value::Int(9), "divisibleby", {Value::Int(3)}));
  EXPECT_TRUE(Is(Value::Int(1), "equalto", {Value::Bool(true)}));
  EXPECT_TRUE(Is(Value::String("a"), "in", {Value::String("cat")}));
  EXPECT_EQ(Printed("3 is divisibleby 3 and 'A' is upper and 2 is not gt 3"), "True");
}

TEST(ValueTestsTest, UnknownAndMisusedTestsAreRefused) {
  EXPECT_EQ(Printed("1 is filter"), "1: found the test filter, expected a supported construct");
  EXPECT_EQ(Printed("1 is string(2)"), "1: found 1 arguments, expected at most 0");
}

}  // namespace
}  // namespace deduce::jinja
