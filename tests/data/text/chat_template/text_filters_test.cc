#include "data/text/chat_template/text_filters.h"

#include <gtest/gtest.h>

#include "tests/data/text/chat_template/rendering.h"

namespace deduce::jinja {
namespace {

TEST(TextFiltersTest, OnStrings) {
  EXPECT_EQ(Printed("' a '|trim ~ 'xax'|trim('x') ~ none|upper"), "aaNONE");
  EXPECT_EQ(Printed("'aaa'|replace('a', 'b', 2) ~ 1|string ~ 'aB'|capitalize"), "bba1Ab");
  EXPECT_EQ(Printed("'a\\n\\nb'|indent(2)"), "a\n\n  b");
  EXPECT_EQ(Printed("'a\\n\\nb'|indent('> ', first=true, blank=true)"), "> a\n> \n> b");
}

TEST(TextFiltersTest, ToNumbers) {
  EXPECT_EQ(Printed("'42.9'|int ~ ' 7 '|int ~ 'x'|int ~ 'x'|int(5) ~ true|int ~ -2.9|int"),
            "427051-2");
  EXPECT_EQ(Printed("'1e3'|float ~ 'x'|float(2) ~ 3|float"), "1000.023.0");
  EXPECT_EQ(Printed("2.5|round ~ 3.14159|round(2) ~ 7|round ~ 2.1|round(0, 'ceil')"),
            "2.03.1473.0");
  EXPECT_EQ(Printed("(-3)|abs"), "3");
  EXPECT_EQ(Printed("'1_0'|int"),
            "1: found a number in a string with _ or characters beyond ASCII, expected a supported "
            "construct");
}

TEST(TextFiltersTest, ToJson) {
  EXPECT_EQ(Printed("{'a': [1, '<']}|tojson"), "{\"a\": [1, \"<\"]}");
  EXPECT_EQ(Printed("[1, 2]|tojson(separators=(',', ':'))"), "[1,2]");
  EXPECT_EQ(Printed("[1]|tojson(indent=1)"), "[\n 1\n]");
}

TEST(TextFiltersTest, MarkedStringsAreOnlyPrinted) {
  EXPECT_EQ(Printed("'<b>'|safe"), "<b>");
  EXPECT_EQ(Printed("'<b>'|e"), "&lt;b&gt;");
  EXPECT_EQ(Printed("('<b>'|safe) + '<'"),
            "1: found work on a string marked safe, expected a supported construct");
}

}  // namespace
}  // namespace deduce::jinja
