#include "data/text/chat_template/values/operators.h"

#include <gtest/gtest.h>

#include <cmath>

#include "data/text/chat_template/values/python_repr.h"

namespace deduce::jinja {
namespace {

std::string Result(const std::string& op, const Value& a, const Value& b) {
  const auto value = Arithmetic(op, a, b);
  return value.ok() ? *Str(*value) : std::string(value.status().message());
}

TEST(TemplateOperatorsTest, DivisionRoundsDown) {
  EXPECT_EQ(Result("//", Value::Int(-7), Value::Int(2)), "-4");
  EXPECT_EQ(Result("%", Value::Int(-7), Value::Int(2)), "1");
  EXPECT_EQ(Result("%", Value::Int(7), Value::Int(-2)), "-1");
  EXPECT_EQ(Result("//", Value::Float(-7), Value::Int(2)), "-4.0");
  EXPECT_EQ(Result("%", Value::Float(-0.5), Value::Int(3)), "2.5");
  EXPECT_EQ(Result("/", Value::Int(4), Value::Int(2)), "2.0");
  EXPECT_EQ(Result("/", Value::Int(4), Value::Int(0)),
            "found a division / by zero, expected another divisor");
}

TEST(TemplateOperatorsTest, IntegersDoNotWrap) {
  EXPECT_EQ(Result("+", Value::Int(INT64_MAX), Value::Int(1)),
            "found an integer of more than 64 bits, expected a supported construct");
  EXPECT_EQ(Result("**", Value::Int(2), Value::Int(62)), "4611686018427387904");
  EXPECT_EQ(Result("**", Value::Int(2), Value::Int(-1)), "0.5");
}

TEST(TemplateOperatorsTest, StringsAndListsAddAndRepeat) {
  EXPECT_EQ(Result("+", Value::String("a"), Value::String("b")), "ab");
  EXPECT_EQ(Result("*", Value::Int(2), Value::List({Value::None()})), "[None, None]");
  EXPECT_EQ(Result("*", Value::String("a"), Value::Int(-1)), "");
  EXPECT_EQ(Result("+", Value::String("a"), Value::Int(1)),
            "found a string + an int, expected operands that go together");
  EXPECT_EQ(Result("+", Value::String("a"), Value::Undefined("the undefined name x")),
            "found the undefined name x, expected a value");
  EXPECT_FALSE(Arithmetic("*", Value::String("ab"), Value::Int(int64_t{1} << 40)).ok());
}

TEST(TemplateOperatorsTest, OrdersNumbersStringsAndLists) {
  EXPECT_TRUE(*Compare("<", Value::Int(1), Value::Float(1.5)));
  EXPECT_TRUE(*Compare(">=", Value::String("b"), Value::String("ab")));
  EXPECT_TRUE(*Less(Value::List({Value::Int(1)}), Value::List({Value::Int(1), Value::Int(0)})));
  EXPECT_FALSE(Compare("<", Value::None(), Value::Int(1)).ok());
  EXPECT_FALSE(*Compare("<=", Value::Float(NAN), Value::Int(1)));
}

TEST(TemplateOperatorsTest, InLooksForPartsItemsAndKeys) {
  EXPECT_TRUE(*Compare("in", Value::String("b"), Value::String("abc")));
  EXPECT_TRUE(*Compare("in", Value::Int(1), Value::List({Value::Bool(true)})));
  EXPECT_FALSE(
      *Compare("in", Value::String("x"), Value::Dict({{Value::String("a"), Value::String("x")}})));
  EXPECT_TRUE(*Compare("not in", Value::String("x"), Value()));
  EXPECT_FALSE(Compare("in", Value::Int(1), Value::String("1")).ok());
}

}  // namespace
}  // namespace deduce::jinja
