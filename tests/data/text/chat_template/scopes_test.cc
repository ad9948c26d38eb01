#include "data/text/chat_template/scopes.h"

#include <gtest/gtest.h>

#include "tests/data/text/chat_template/rendering.h"

namespace deduce::jinja {
namespace {

TEST(ScopesTest, LoopsForgetWhatTheySet) {
  EXPECT_EQ(
      Rendered(
          "{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = 2 %}{{ x }}{% endfor %}{{ x }}"),
      "12121");
  EXPECT_EQ(Rendered("{% if true %}{% set x = 1 %}{% endif %}{{ x }}"), "1");
}

TEST(ScopesTest, ANameFirstSetHereHidesTheVariable) {
  const Variables variables = {{"x", Value::Int(7)}};
  // Read before it is set: the variable. Set somewhere below and read by a macro before: nothing,
  // as in Jinja.
  EXPECT_EQ(Rendered("{{ x }}{% set x = 1 %}{{ x }}", variables), "71");
  EXPECT_EQ(Rendered("{% macro m() %}[{{ x }}]{% endmacro %}{{ m() }}{% set x = 1 %}{{ m() }}",
                     variables),
            "[][1]");
  EXPECT_EQ(Rendered("{% if false %}{% set x = 1 %}{% endif %}{{ x }}", variables), "7");
}

TEST(ScopesTest, BlocksHaveTheirOwnNames) {
  EXPECT_EQ(
      Rendered("{% set x = 1 %}{% generation %}{% set x = 2 %}{{ x }}{% endgeneration %}{{ x }}"),
      "21");
  EXPECT_EQ(Rendered("{% with x = 3 %}{{ x }}{% endwith %}{{ x }}"), "3");
  EXPECT_EQ(Rendered("{% set y %}{% set x = 2 %}{{ x }}{% endset %}{{ y }}{{ x }}"), "2");
}

}  // namespace
}  // namespace deduce::jinja
