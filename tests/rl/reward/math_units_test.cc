#include "rl/reward/math_units.h"

#include <gtest/gtest.h>

#include <string>

namespace deduce {
namespace {

// "FACTOR NAME" of the unit behind the first token.
std::string Unit(const std::string& text, bool only_known = false) {
  const auto tokens = *ReadMathTokens(text);
  const auto unit = FindUnit(tokens, only_known);
  if (!unit || unit->begin != 1) return "nothing";
  return ToText(unit->factor) + " " + unit->name;
}

TEST(MathUnitsTest, SpellingsOfAUnitHaveOneName) {
  for (const char* text : {"5 cm", "5cm", "5\\text{ cm}", "5 centimeters", "5\\,\\mathrm{cm}"}) {
    EXPECT_EQ(Unit(text), "1 cm") << text;
  }
  EXPECT_EQ(Unit("5 \\text{ cm}^2"), "1 cm2");
  EXPECT_EQ(Unit("5 square centimeters"), "1 cm2");
  EXPECT_EQ(Unit("5 miles per hour"), Unit("5 mph"));
  EXPECT_EQ(Unit("90^\\circ"), Unit("90 degrees"));
  EXPECT_EQ(Unit("90^{\\circ}"), Unit("90\u00b0"));
}

TEST(MathUnitsTest, NounsHaveNoName) {
  EXPECT_EQ(Unit("42 apples"), "1 ");
  EXPECT_EQ(Unit("42 red apples per day"), "1 ");
  EXPECT_EQ(Unit("42 apples", /*only_known=*/true), "nothing");
}

TEST(MathUnitsTest, SomeWordsAreFactors) {
  EXPECT_EQ(Unit("5 percent"), "1/100 ");
  EXPECT_EQ(Unit("5 million"), "1000000 ");
  EXPECT_EQ(Unit("5 million dollars"), "1000000 dollar");
}

TEST(MathUnitsTest, ProductsAndWordsThatComputeAreNoUnits) {
  for (const char* text : {"2xy", "2 xy", "2 x", "2\\mathrm{e}", "5 squared", "5 halves",
                           "5 times 3", "5 apples + 1", "2 sin x", "5"}) {
    EXPECT_EQ(Unit(text), "nothing") << text;
  }
}

TEST(MathUnitsTest, WordsThatLeaveAnAnswerOpenAreKnown) {
  for (const char* word : {"or", "not", "half", "million", "between"}) {
    EXPECT_TRUE(ChangesANumber(word)) << word;
  }
  EXPECT_FALSE(ChangesANumber("apples"));
}

}  // namespace
}  // namespace deduce
