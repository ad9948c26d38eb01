#include "data/text/chat_template/frame.h"

#include <gtest/gtest.h>

namespace deduce::jinja {
namespace {

TEST(FrameTest, NamesGetTheirValuesWhenAScopeIsEntered) {
  const Variables variables = {{"x", Value::Int(1)}, {"y", Value::Int(2)}};
  const Scope outer_scope = {{"x", Entry::kResolve}, {"y", Entry::kMissing}};
  const Scope inner_scope = {{"x", Entry::kOuter}, {"p", Entry::kParameter}};
  Frame outer(outer_scope, nullptr, variables);
  EXPECT_EQ(outer.Get("x").integer(), 1);
  EXPECT_TRUE(outer.Get("y").is(Kind::kUndefined));
  Frame inner(inner_scope, &outer, variables);
  inner.Set("x", Value::Int(5));
  inner.Set("p", Value::Int(6));
  EXPECT_EQ(inner.Get("x").integer(), 5);
  EXPECT_EQ(inner.Get("p").integer(), 6);
  EXPECT_EQ(outer.Get("x").integer(), 1);
  outer.Set("y", Value::Int(7));
  EXPECT_EQ(inner.Get("y").integer(), 7);
}

}  // namespace
}  // namespace deduce::jinja
