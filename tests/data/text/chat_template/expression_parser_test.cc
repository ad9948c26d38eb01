#include "data/text/chat_template/expression_parser.h"

#include <gtest/gtest.h>

#include "tests/data/text/chat_template/rendering.h"

namespace deduce::jinja {
namespace {

TEST(ExpressionParserTest, Precedences) {
  EXPECT_EQ(Printed("1 + 2 * 3 - 4 // 2"), "5");
  EXPECT_EQ(Printed("'a' ~ 1 + 2"),
            "1: found a string + an int, expected operands that go together");
  EXPECT_EQ(Printed("2 ** 3 ** 2"), "64");  // from the left, unlike Python
  EXPECT_EQ(Printed("-2|abs"), "2");        // the filter is on -2
  EXPECT_EQ(Printed("'a' + ' b '|trim"), "ab");
  EXPECT_EQ(Printed("not 1 == 2 and true or false"), "True");
  EXPECT_EQ(Printed("1 < 2 < 3 and not 1 < 3 < 2"), "True");
  EXPECT_EQ(Printed("1 if false else 2 if true else 3"), "2");
  EXPECT_EQ(Printed("'x' not in 'abc'"), "True");
  EXPECT_EQ(Printed("1 is string or 'a' is not string"), "False");
}

TEST(ExpressionParserTest, Literals) {
  EXPECT_EQ(Printed("'a' 'b'"), "ab");
  EXPECT_EQ(Printed("[1, (), (2,), (3), {'a': none,}, True,]"),
            "[1, (), (2,), 3, {'a': None}, True]");
  EXPECT_EQ(Printed("1, 2"), "(1, 2)");
  EXPECT_EQ(Printed("1.5e2"), "150.0");
}

TEST(ExpressionParserTest, WhatDoesNotBelongIsNamed) {
  EXPECT_EQ(Printed("1 +"), "t:1: found }}, expected an expression");
  EXPECT_EQ(Printed("f(*x)"),
            "t:1: found arguments spread with * or **, expected a supported construct");
  EXPECT_EQ(Printed("f(a=1, 2)"), "t:1: found an argument behind one with a name, expected a name");
  EXPECT_EQ(Printed("dict(a=1, a=2)"), "t:1: found two arguments a, expected one");
  EXPECT_EQ(Printed("x is defined is string"),
            "t:1: found two tests in a row, expected brackets around the first");
  EXPECT_EQ(Printed("x[1, 2]"),
            "t:1: found several keys in one subscript, expected a supported construct");
  EXPECT_EQ(Printed("99999999999999999999"),
            "t:1: found the integer 99999999999999999999, expected a supported construct");
}

TEST(ExpressionParserTest, DepthIsBounded) {
  std::string nested(1000, '('), sum = "1";
  for (int i = 0; i < 1000; ++i) sum += "+1";
  EXPECT_EQ(Printed(nested + "1" + std::string(1000, ')')),
            "t:1: found a deeper expression, expected at most 100 levels");
  EXPECT_EQ(Printed(sum), "t:1: found a deeper expression, expected at most 100 levels");
}

}  // namespace
}  // namespace deduce::jinja
