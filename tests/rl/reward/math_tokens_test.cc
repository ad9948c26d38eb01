#include "rl/reward/math_tokens.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace deduce {
namespace {

// Numbers by value, everything else by text; words of \text{...} in quotation marks.
std::string Shown(const std::string& text) {
  const auto tokens = ReadMathTokens(text);
  if (!tokens) return "nothing";
  std::string shown;
  for (const MathToken& token : *tokens) {
    const bool number = token.kind == MathToken::Kind::kNumber;
    const std::string what = number ? ToText(token.value) : token.text;
    absl::StrAppend(&shown, shown.empty() ? "" : " ",
                    token.in_text ? absl::StrCat("'", what, "'") : what);
  }
  return shown;
}

TEST(MathTokensTest, NumbersHaveExactValues) {
  EXPECT_EQ(Shown("0.50"), "1/2");
  EXPECT_EQ(Shown(".4"), "2/5");
  EXPECT_EQ(Shown("003"), "3");
  EXPECT_EQ(Shown("1.5e3 2E-1"), "1500 1/5");
  EXPECT_EQ(Shown("0.1\\overline{6}"), "1/6");
  EXPECT_EQ(Shown("0.\\overline{3}"), "1/3");
}

TEST(MathTokensTest, SeparatorsOfThousandsArePartsOfNumbers) {
  for (const char* text :
       {"1,234", "1{,}234", "1\\,234", "1,\\!234", "1 234", "1\\ 234", "1~234"}) {
    EXPECT_EQ(Shown(text), "1234") << text;
  }
  EXPECT_EQ(Shown("1,234,567.5"), "2469135/2");
}

TEST(MathTokensTest, OtherCommasStay) {
  EXPECT_EQ(Shown("1,22"), "1 , 22");
  EXPECT_EQ(Shown("1,2345"), "1 , 2345");
  EXPECT_EQ(Shown("10,100,1000"), "10 , 100 , 1000");
  EXPECT_EQ(Shown("(100,200)"), "( 100 , 200 )");
  EXPECT_EQ(Shown("32, 349"), "32 , 349");
}

TEST(MathTokensTest, TypesettingIsLeftOut) {
  EXPECT_EQ(Shown("\\left( \\dfrac{1}{2} \\right)"), "( \\frac { 1 } { 2 } )");
  EXPECT_EQ(Shown("\\displaystyle\\sqrt2"), "\\sqrt 2");
  EXPECT_EQ(Shown("5 \\text{ cm}^2"), "5 'cm' ^ 2");
  EXPECT_EQ(Shown("\\left. x \\right|"), "x |");
}

TEST(MathTokensTest, SpellingsOfOneSignAreOne) {
  EXPECT_EQ(Shown("a<=b \\leq c \\leqslant d"), "a \\le b \\le c \\le d");
  EXPECT_EQ(Shown("a \\times b \\cdot c"), "a * b * c");
  EXPECT_EQ(Shown("\\lbrace 1 \\rbrace"), "\\{ 1 \\}");
}

TEST(MathTokensTest, OneLetterIsANameAndSeveralAreAWord) {
  const auto tokens = ReadMathTokens("x apples");
  ASSERT_EQ(tokens->size(), 2);
  EXPECT_EQ((*tokens)[0].kind, MathToken::Kind::kName);
  EXPECT_EQ((*tokens)[1].kind, MathToken::Kind::kWord);
}

TEST(MathTokensTest, WhatIsNotUnderstoodIsNothing) {
  for (const char* text :
       {"{", "}", "\\", "3**2", "\\begin{cases} 1 \\end{cases}", "\u222b5", "1e9999", "\x01"}) {
    EXPECT_EQ(Shown(text), "nothing") << text;
  }
  EXPECT_EQ(Shown(std::string(60, '9')), "nothing");
}

TEST(MathTokensTest, LongTextsAreNotRead) {
  EXPECT_EQ(Shown(std::string(1000000, '9')), "nothing");
  EXPECT_EQ(Shown(std::string(1999, '(')), "nothing");  // tokens
  EXPECT_EQ(Shown(std::string(1999, ' ') + "1"), "1");
}

}  // namespace
}  // namespace deduce
