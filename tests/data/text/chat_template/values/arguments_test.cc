#include "data/text/chat_template/values/arguments.h"

#include <gtest/gtest.h>

namespace deduce::jinja {
namespace {

TEST(TemplateArgumentsTest, NamesFillTheSlotsThatPositionsLeave) {
  const auto bound = Bind({{Value::Int(1)}, {{"c", Value::Int(3)}}}, {"a", "b", "c"}, 1);
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_EQ((*bound)[0]->integer(), 1);
  EXPECT_FALSE((*bound)[1].has_value());
  EXPECT_EQ((*bound)[2]->integer(), 3);
}

TEST(TemplateArgumentsTest, WrongCallsAreRefused) {
  const Value one = Value::Int(1);
  EXPECT_EQ(Bind({{one, one}, {}}, {"a"}, 0).status().message(),
            "found 2 arguments, expected at most 1");
  EXPECT_EQ(Bind({{}, {{"z", one}}}, {"a"}, 0).status().message(),
            "found an argument named z, expected a parameter's name");
  EXPECT_EQ(Bind({{one}, {{"a", one}}}, {"a"}, 0).status().message(),
            "found two arguments for a, expected one");
  EXPECT_EQ(Bind({}, {"a"}, 1).status().message(), "found no argument for a, expected one");
}

TEST(TemplateArgumentsTest, AMarkedStringIsNoOrdinaryText) {
  EXPECT_EQ(*TextOf(Value::String("x")), "x");
  EXPECT_FALSE(TextOf(Value::Markup("x")).ok());
  EXPECT_FALSE(TextOf(Value::Int(1)).ok());
}

}  // namespace
}  // namespace deduce::jinja
