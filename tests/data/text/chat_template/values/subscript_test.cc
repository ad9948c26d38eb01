#include "data/text/chat_template/values/subscript.h"

#include <gtest/gtest.h>

#include "tests/data/text/chat_template/rendering.h"

namespace deduce::jinja {
namespace {

TEST(SubscriptTest, AttributesOfPythonComeBeforeKeys) {
  const Value dict = Value::Dict(
      {{Value::String("items"), Value::Int(1)}, {Value::String("role"), Value::Int(2)}});
  EXPECT_TRUE(GetAttribute(dict, "items")->is(Kind::kFunction));
  EXPECT_EQ(GetItem(dict, Value::String("items"))->integer(), 1);
  EXPECT_EQ(GetAttribute(dict, "role")->integer(), 2);
  EXPECT_TRUE(GetAttribute(dict, "other")->is(Kind::kUndefined));
  EXPECT_TRUE(GetItem(dict, Value::String("get"))->is(Kind::kFunction));
}

TEST(SubscriptTest, WhatWouldChangeAnObjectIsUndefined) {
  EXPECT_TRUE(GetAttribute(Value::List({}), "append")->is(Kind::kUndefined));
  EXPECT_FALSE(GetAttribute(Value::List({}), "__class__").ok());
}

TEST(SubscriptTest, IndicesCountFromBothEnds) {
  EXPECT_EQ(Printed("'a\u4e09c'[1] ~ [1, 2][-1] ~ [1][5] ~ (7, 8).0"),
            "\u4e09"
            "27");
  EXPECT_EQ(Printed("[1]['x'] is defined"), "False");
}

TEST(SubscriptTest, SlicesAsInPython) {
  EXPECT_EQ(Printed("[1, 2, 3, 4][1:3]"), "[2, 3]");
  EXPECT_EQ(Printed("[1, 2, 3, 4][::-1]"), "[4, 3, 2, 1]");
  EXPECT_EQ(Printed("[1, 2, 3, 4][-9:9:2]"), "[1, 3]");
  EXPECT_EQ(Printed("'a\u4e09cd'[-3:]"),
            "\u4e09"
            "cd");
  EXPECT_EQ(Printed("'abcd'[2::-2]"), "ca");
  EXPECT_EQ(Printed("'abc'[::0]"), "1: found a slice with step 0, expected another step");
}

TEST(SubscriptTest, AnUndefinedValueHasNothing) {
  EXPECT_EQ(Printed("x.y"), "1: found the undefined name x, expected a value with a y");
  EXPECT_EQ(Printed("{'a': 1}.b.c"), "1: found no \"b\" in a dict, expected a value with a c");
}

}  // namespace
}  // namespace deduce::jinja
