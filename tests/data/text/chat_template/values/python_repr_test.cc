#include "data/text/chat_template/values/python_repr.h"

#include <gtest/gtest.h>

#include <cmath>

namespace deduce::jinja {
namespace {

TEST(PythonReprTest, FloatsHaveTheFewestDigits) {
  EXPECT_EQ(FloatRepr(0.1), "0.1");
  EXPECT_EQ(FloatRepr(3), "3.0");
  EXPECT_EQ(FloatRepr(-0.0), "-0.0");
  EXPECT_EQ(FloatRepr(123456.75), "123456.75");
  EXPECT_EQ(FloatRepr(1e15), "1000000000000000.0");
  EXPECT_EQ(FloatRepr(1e16), "1e+16");
  EXPECT_EQ(FloatRepr(1.5e-5), "1.5e-05");
  EXPECT_EQ(FloatRepr(0.0001), "0.0001");
  EXPECT_EQ(FloatRepr(INFINITY), "inf");
}

TEST(PythonReprTest, StringsChooseTheirQuotes) {
  EXPECT_EQ(*StringRepr("a"), "'a'");
  EXPECT_EQ(*StringRepr("it's"), "\"it's\"");
  EXPECT_EQ(*StringRepr("'\""), "'\\'\"'");
  EXPECT_EQ(*StringRepr("a\n\t\\\x01\x7f"), "'a\\n\\t\\\\\\x01\\x7f'");
  EXPECT_EQ(*StringRepr("\u4e09\u00a0\u200b"), "'\u4e09\\xa0\\u200b'");
}

TEST(PythonReprTest, UnknownCharactersAreRefused) {
  EXPECT_FALSE(
      StringRepr("\u0378").ok());  // not assigned: whether Python prints it depends on its version
}

TEST(PythonReprTest, ContainersLookAsInPython) {
  const Value dict =
      Value::Dict({{Value::String("a"), Value::None()}, {Value::Int(1), Value::Bool(true)}});
  EXPECT_EQ(*Str(Value::List({dict, Value(), Value::Float(1)})),
            "[{'a': None, 1: True}, Undefined, 1.0]");
  EXPECT_EQ(*Str(Value::Sequence(Kind::kTuple, {Value::String("x")})), "('x',)");
  EXPECT_EQ(*Str(Value()), "");
  EXPECT_FALSE(Str(Value::Generator({})).ok());
}

}  // namespace
}  // namespace deduce::jinja
