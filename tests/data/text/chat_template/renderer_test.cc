#include "data/text/chat_template/renderer.h"

#include <gtest/gtest.h>

#include "tests/data/text/chat_template/rendering.h"

namespace deduce::jinja {
namespace {

TEST(RendererTest, LoopsKnowWhereTheyAre) {
  EXPECT_EQ(Rendered("{% for x in 'abc' %}{{ loop.index }}{{ loop.revindex0 }}{{ loop.first }}{{ "
                     "loop.last }}{{ loop.previtem }}{{ loop.nextitem }} {% endfor %}"),
            "12TrueFalseb 21FalseFalseac 30FalseTrueb ");
  EXPECT_EQ(
      Rendered("{% for x in [1, 2, 3, 4] if x % 2 == 0 %}{{ x }}/{{ loop.length }} {% endfor %}"),
      "2/2 4/2 ");
  EXPECT_EQ(Rendered("{% for x in y %}{% else %}none{% endfor %}"), "none");
  EXPECT_EQ(Rendered("{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}"),
            "123");
  EXPECT_EQ(Rendered("{% for x in 5 %}{% endfor %}"),
            "1: found an int, expected something to go through");
  EXPECT_EQ(Rendered("{% for a, b in [1] %}{% endfor %}").substr(0, 15), "1: found an int");
}

TEST(RendererTest, BreakAndContinue) {
  EXPECT_EQ(Rendered("{% for x in [1, 2, 3, 4] %}{% if x == 2 %}{% continue %}{% endif %}{% if x "
                     "== 4 %}{% break %}{% endif %}{{ x }}{% endfor %}"),
            "13");
  // Jinja takes a loop for empty whose rounds all jump before their end.
  EXPECT_EQ(Rendered("{% for x in [1] %}{% continue %}{% else %}e{% endfor %}"), "e");
}

TEST(RendererTest, MacrosAndCalls) {
  EXPECT_EQ(Rendered("{% macro m(a, b=a ~ '!') %}[{{ a }}{{ b }}]{% endmacro %}{{ m(1) }}{{ m(b=2, "
                     "a=3) }}{{ m() }}"),
            "[11!][32][!]");
  EXPECT_EQ(
      Rendered(
          "{% macro m(a) %}<{{ caller(a) }}>{% endmacro %}{% call(x) m(5) %}{{ x }}{% endcall %}"),
      "<5>");
  EXPECT_EQ(Rendered("{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}"),
            "1: found 2 arguments of the macro m, expected at most 1");
  EXPECT_EQ(Rendered("{% macro m(n) %}{{ n }}{{ m(n - 1) if n > 0 }}{% endmacro %}{{ m(3) }}"),
            "3210");
}

TEST(RendererTest, AMacroThatIgnoresItsCallerCannotBeCalledWithOne) {
  EXPECT_EQ(Rendered("{% macro m() %}{% endmacro %}{% call m() %}{% endcall %}"),
            "1: found the argument caller of the macro m, expected a parameter's name");
}

TEST(RendererTest, RecursionAndLoopsAreBounded) {
  EXPECT_EQ(Rendered("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
            "1: found deeper blocks or calls, expected at most 250 levels");
}

TEST(RendererTest, BlocksAreCaptured) {
  EXPECT_EQ(Rendered("{% set x | upper | trim %} a{{ 1 }} {% endset %}[{{ x }}]"), "[A1]");
  EXPECT_EQ(Rendered("{% filter upper %}ab{% endfilter %}c"), "ABc");
  EXPECT_EQ(Rendered("a{% generation %}b{% endgeneration %}c"), "abc");
}

TEST(RendererTest, AttributesAreSetOnNamespacesOnly) {
  EXPECT_EQ(Rendered("{% set d = {} %}{% set d.x = 1 %}"),
            "1: found an attribute of a dict set, expected a namespace");
}

TEST(RendererTest, ANamespaceReadByTheTestOfALoopIsRefused) {
  // Jinja tests an item when it comes to it, after the rounds before it; here all are tested first.
  EXPECT_EQ(Rendered("{% set ns = namespace(a=1) %}{% for x in [1, 2] if ns.a %}{% endfor %}"),
            "1: found a namespace read in the `if` of a loop, expected a supported construct");
}

TEST(RendererTest, AGeneratorLeftHalfWayIsRefused) {
  EXPECT_EQ(
      Rendered("{% set g = [1, 2]|select %}{% for x in g %}{% break %}{% endfor %}{{ g|list }}"),
      "1: found a generator that a loop is in the middle of, expected a supported construct");
}

}  // namespace
}  // namespace deduce::jinja
