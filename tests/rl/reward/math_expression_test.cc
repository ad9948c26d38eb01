#include "rl/reward/math_expression.h"

#include <gtest/gtest.h>

#include <string>

namespace deduce {
namespace {

std::string Value(const std::string& text, int sign = 1) {
  const auto tokens = ReadMathTokens(text);
  if (!tokens) return "nothing";
  const auto value = ReadExpression(*tokens, sign);
  return value ? value->Text() : "nothing";
}

TEST(MathExpressionTest, NumbersAreComputedExactly) {
  const std::pair<const char*, const char*> cases[] = {{"42", "42"},
                                                       {" - 5 ", "-5"},
                                                       {"+7", "7"},
                                                       {"--3", "3"},
                                                       {"1,000.5", "2001/2"},
                                                       {"-6/-4", "3/2"},
                                                       {"\\frac{3}{4}", "3/4"},
                                                       {"\\frac34", "3/4"},
                                                       {"\\frac{3}4", "3/4"},
                                                       {"-\\frac{1}{2}", "-1/2"},
                                                       {"1\\frac{1}{2}", "3/2"},
                                                       {"-1\\frac12", "-3/2"},
                                                       {"1 1/2", "3/2"},
                                                       {"25%", "1/4"},
                                                       {"3*10^{2}", "300"},
                                                       {"2^10", "1024"},
                                                       {"2^{-2}", "1/4"},
                                                       {"2^-2", "1/4"},
                                                       {"-2^2", "-4"},
                                                       {"5!", "120"},
                                                       {"(9+1)", "10"},
                                                       {"2+3*4", "14"},
                                                       {"10/5/2", "1"},
                                                       {"8-3-2", "3"},
                                                       {"\\sqrt{16}", "4"},
                                                       {"\\sqrt4", "2"},
                                                       {"\\sqrt{\\frac{1}{9}}", "1/3"},
                                                       {"\\sqrt[3]{27}", "3"},
                                                       {"4^{1/2}", "2"},
                                                       {"|2-5|", "3"},
                                                       {"\\binom{5}{2}", "10"},
                                                       {"(2)(3)", "6"},
                                                       {"2 \\cdot 3", "6"},
                                                       {"-0", "0"}};
  for (const auto& [text, value] : cases) EXPECT_EQ(Value(text), value) << text;
}

TEST(MathExpressionTest, ExpressionsAreBroughtToOneForm) {
  const std::pair<const char*, const char*> cases[] = {{"x+1", "1+x"},
                                                       {"(x-1)(x+1)", "x^2-1"},
                                                       {"2ab", "2 b a"},
                                                       {"\\frac{x}{2}", "x/2"},
                                                       {"\\sin x", "\\sin(x)"},
                                                       {"\\sin^{-1} x", "\\arcsin x"},
                                                       {"6\\pi", "6 \\pi"},
                                                       {"x_1", "x_{1}"},
                                                       {"\\log_2 8x", "\\log_{2}(8x)"},
                                                       {"e^{2x}", "e^{x+x}"},
                                                       {"\\sqrt{8}", "2\\sqrt2"},
                                                       {"\\cos^2 x", "(\\cos x)^2"},
                                                       {"2^{x}", "2^x"},
                                                       {"\\frac{1}{x+1}", "(1+x)^{-1}"}};
  for (const auto& [a, b] : cases) {
    EXPECT_NE(Value(a), "nothing") << a;
    EXPECT_EQ(Value(a), Value(b)) << a << " | " << b;
  }
}

TEST(MathExpressionTest, DifferentExpressionsDiffer) {
  const std::pair<const char*, const char*> cases[] = {
      {"x^2", "x_2"}, {"\\sin 2x", "2\\sin x"}, {"x y", "x+y"},          {"\\sqrt2", "\\sqrt3"},
      {"2^x", "x^2"}, {"\\pi", "3.14159"},      {"\\log_2 x", "\\log x"}};
  for (const auto& [a, b] : cases) EXPECT_NE(Value(a), Value(b)) << a << " | " << b;
}

TEST(MathExpressionTest, PlusMinusHasTheSignThatIsAskedFor) {
  EXPECT_EQ(Value("3 \\pm 1", 1), "4");
  EXPECT_EQ(Value("3 \\pm 1", -1), "2");
  EXPECT_EQ(Value("\\mp 1", 1), "-1");
}

TEST(MathExpressionTest, WhatCanBeReadInTwoWaysIsNothing) {
  for (const char* text : {"1/2x", "1 2", "2\\frac{5}{3}", "2^3^2", "\\frac123", "1 3/2"}) {
    EXPECT_EQ(Value(text), "nothing") << text;
  }
}

TEST(MathExpressionTest, WhatHasNoValueIsNothing) {
  for (const char* text :
       {"",      "1,22",      "3/0",     "0^{-1}", "\\frac{1}", "\\sqrt{-4}", "(1",          "1)",
        "1..2",  "(-1)!",     "0.5!",    "34!",    "%",         "1+",         "\\unknown x", "even",
        "x < 1", "9^{9^{9}}", "2^{127}", "x^",     "x_",        "|1"}) {
    EXPECT_EQ(Value(text), "nothing") << text;
  }
}

TEST(MathExpressionTest, DeepNestingIsRefused) {
  EXPECT_EQ(Value(std::string(20, '(') + "1" + std::string(20, ')')), "1");
  EXPECT_EQ(Value(std::string(140, '(') + "1" + std::string(140, ')')), "nothing");
  EXPECT_EQ(Value(std::string(290, '-') + "1"), "1");
}

}  // namespace
}  // namespace deduce
