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

// Each of these would take minutes, or all memory, if it were not counted.
TEST(RendererTest, WorkIsBoundedWhereverItIsDone) {
  const std::string longer = ": found a longer run, expected at most 20000000 steps";
  const std::string rounds = "{% for a in range(100000) %}{% for b in range(100000) %}";
  EXPECT_EQ(Rendered(rounds + "{% endfor %}{% endfor %}"), "1" + longer);
  EXPECT_EQ(Rendered(rounds + "{% continue %}{% endfor %}{% endfor %}"), "1" + longer);
  const std::string big = "{% set s = 'a' * 8000000 %}{% set l = range(100000)|list %}";
  EXPECT_EQ(Rendered(big + "{{ l|unique|list|length }}"), "1" + longer);
  EXPECT_EQ(Rendered(big + "{{ [l, l]|map('unique')|list|length }}"), "1" + longer);
  EXPECT_EQ(Rendered(big + "{{ ('a' * 4000000 ~ 'b') in s }}"), "1" + longer);
  EXPECT_EQ(Rendered(big + "{{ s.find('a' * 4000000 ~ 'b') }}"), "1" + longer);
  EXPECT_EQ(Rendered(big + "{{ s|replace('a' * 4000000 ~ 'b', '') }}"), "1" + longer);
  for (const char* work :
       {"{% if l == l + [] %}{% endif %}", "{% set x = l[1:] %}", "{% set x = s|upper %}",
        "{% set x = s.strip() %}", "{% set x %}{{ s }}{% endset %}", "{% set x = l|tojson %}"}) {
    const std::string loop = big + "{% for i in range(1000) %}" + work + "{% endfor %}";
    EXPECT_EQ(Rendered(loop), "1" + longer) << work;
  }
}

TEST(RendererTest, SizesAreBoundedBeforeMemoryIsTaken) {
  const std::string bytes = "expected at most 67108864";
  const auto refused = [&](const std::string& text) {
    const std::string result = Rendered(text);
    return result.find(bytes) != std::string::npos ||
           result.find("found a string of more parts") != std::string::npos;
  };
  EXPECT_TRUE(refused("{{ ([1] * 1000000 + [1] * 1000000)|length }}"));
  EXPECT_TRUE(refused("{{ [1] * 60000000 }}"));
  EXPECT_TRUE(refused("{{ ('a,' * 30000000).split(',')|length }}"));
  EXPECT_TRUE(refused("{{ ('a ' * 30000000).split()|length }}"));
  EXPECT_TRUE(refused("{{ ('a\\n' * 20000000).splitlines()|length }}"));
  EXPECT_TRUE(refused("{% for c in 'a' * 60000000 %}{% endfor %}"));
  EXPECT_EQ(Rendered("{{ ([1] * 1000)|length }}{{ 'a,b'.split(',')|length }}"), "10002");
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
