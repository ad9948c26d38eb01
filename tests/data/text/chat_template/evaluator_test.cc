#include "data/text/chat_template/evaluator.h"

#include <gtest/gtest.h>

#include "tests/data/text/chat_template/rendering.h"

namespace deduce::jinja {
namespace {

TEST(TemplateEvaluatorTest, OperandsComeBackAsTheyAre) {
  EXPECT_EQ(Printed("0 or 'a'"), "a");
  EXPECT_EQ(Printed("[] and x.y"), "[]");
  EXPECT_EQ(Printed("'a' if false"), "");
  EXPECT_EQ(Printed("1 ~ none ~ x ~ 2.0"), "1None2.0");
}

TEST(TemplateEvaluatorTest, ErrorsNameTheInnermostLine) {
  EXPECT_EQ(Rendered("{% macro m() %}\n\n{{ 1 + 'a' }}{% endmacro %}\n{{ m() }}"),
            "3: found an int + a string, expected operands that go together");
  EXPECT_EQ(Printed("x()"), "1: found the undefined name x, expected a function to call");
  EXPECT_EQ(Printed("1()"), "1: found a call of an int, expected a function");
}

TEST(TemplateEvaluatorTest, WhatTemplatesMakeIsBounded) {
  EXPECT_EQ(Rendered("{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(99) %}{% set ns.x = "
                     "ns.x + ns.x %}{% endfor %}"),
            "1: found a text of 67108865 bytes, expected at most 67108864");
  EXPECT_EQ(Rendered("{% set ns = namespace(x=[1]) %}{% for i in range(999) %}{% set ns.x = [ns.x] "
                     "%}{% endfor %}")
                .substr(0, 35),
            "1: found a container that holds a n");
  EXPECT_EQ(Rendered("{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, "
                     "ns.x] %}{% endfor %}")
                .substr(0, 15),
            "1: found a text");
}

}  // namespace
}  // namespace deduce::jinja
