#include "data/text/chat_template/template_parser.h"

#include <gtest/gtest.h>

#include "tests/data/text/chat_template/rendering.h"

namespace deduce::jinja {
namespace {

TEST(TemplateParserTest, TagsThatAreNotSupportedAreNamedWithTheirLine) {
  EXPECT_EQ(Rendered("a\n{% include 'x' %}"),
            "t:2: found the tag include, expected a supported construct");
  EXPECT_EQ(Rendered("{% for x in y recursive %}{% endfor %}"),
            "t:1: found a recursive loop, expected a supported construct");
  EXPECT_EQ(Rendered("{% macro m() %}\n{{ varargs }}{% endmacro %}"),
            "t:2: found varargs in a macro, expected a supported construct");
}

// One pass over the text finds all tags; a search for each kind would look at all the rest of it.
TEST(TemplateParserTest, WorkIsLinearInTheNumberOfTags) {
  std::string text;
  for (int i = 0; i < 300'000; ++i) text += "{#";
  EXPECT_EQ(Rendered(text), "t:1: found a comment without an end, expected #}");
  text.clear();
  for (int i = 0; i < 300'000; ++i) text += "{{1}}";
  EXPECT_EQ(Rendered(text), std::string(300'000, '1'));
}

TEST(TemplateParserTest, NamesTimesBranchesAreBounded) {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "{% set a" + std::to_string(i) + " = 1 %}";
  for (int i = 0; i < 2000; ++i) text += "{% if a0 %}{% endif %}";
  EXPECT_EQ(Rendered(text), "t:1: found more names times branches, expected at most 1000000");
  std::string macro = "{% macro m(a";
  for (int i = 0; i < 255; ++i) macro += ", a" + std::to_string(i);
  EXPECT_EQ(Rendered(macro + ") %}{% endmacro %}"),
            "t:1: found more parameters of a macro, expected at most 255");
}

TEST(TemplateParserTest, BlocksMustMatch) {
  EXPECT_EQ(Rendered("{% if x %}\n{% endfor %}"),
            "t:2: found the tag endfor, expected a supported construct");
  EXPECT_EQ(Rendered("{% if x %}"),
            "t:1: found the end of the template, expected elif or else or endif");
  EXPECT_EQ(Rendered("{% break %}"),
            "t:1: found break without a loop, expected a loop around it, within the same block");
  EXPECT_EQ(Rendered("{% for x in y %}{% macro m() %}{% continue %}{% endmacro %}{% endfor %}"),
            "t:1: found continue without a loop, expected a loop around it, within the same block");
  EXPECT_EQ(Rendered("{% set 1 = 2 %}"), "t:1: found \"1\", expected a name to assign to");
  EXPECT_EQ(Rendered("{% macro m(a=1, b) %}{% endmacro %}"),
            "t:1: found a parameter without a default behind one with, expected a default");
}

TEST(TemplateParserTest, DepthIsBounded) {
  std::string nested;
  for (int i = 0; i < 1000; ++i) nested += "{% if 1 %}";
  EXPECT_EQ(Rendered(nested), "t:1: found deeper blocks, expected at most 50 levels");
}

}  // namespace
}  // namespace deduce::jinja
