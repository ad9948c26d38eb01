#include "data/text/chat_template/sequence_filters.h"

#include <gtest/gtest.h>

#include "tests/data/text/chat_template/rendering.h"

namespace deduce::jinja {
namespace {

TEST(SequenceFiltersTest, FirstLastJoinAndLength) {
  EXPECT_EQ(Printed("[1, 2]|first ~ 'ab'|last ~ []|first ~ {'a': 1}|length"), "1b1");
  EXPECT_EQ(Printed("[1, none, 'x']|join(', ') ~ messages|join"), "1, None, x");
  EXPECT_EQ(Printed("[{'a': {'b': 1}}, {'a': {'b': 2}}]|join('-', attribute='a.b')"), "1-2");
  EXPECT_EQ(Printed("3|length"), "1: found an int, expected something with a length");
}

TEST(SequenceFiltersTest, OrderIsStableAndIgnoresCase) {
  EXPECT_EQ(Printed("['b', 'A', 'a', 'B']|sort"), "['A', 'a', 'b', 'B']");
  EXPECT_EQ(Printed("['b', 'A', 'a', 'B']|sort(reverse=true)"), "['b', 'B', 'A', 'a']");
  EXPECT_EQ(Printed("['b', 'A', 'a']|sort(case_sensitive=true)"), "['A', 'a', 'b']");
  EXPECT_EQ(Printed("{'b': 1, 'a': 2}|dictsort"), "[('a', 2), ('b', 1)]");
  EXPECT_EQ(Printed("{'b': 1, 'a': 2}|dictsort(by='value')"), "[('b', 1), ('a', 2)]");
  EXPECT_EQ(Printed("['a', 'A', 'b']|unique|list"), "['a', 'b']");
  EXPECT_EQ(Printed("[1, 2]|reverse|list ~ 'ab'|reverse"), "[2, 1]ba");
}

TEST(SequenceFiltersTest, DefaultsForWhatIsUndefined) {
  EXPECT_EQ(Printed("x|default('d') ~ ''|default('d') ~ ''|default('d', true) ~ x|d"), "dd");
}

TEST(SequenceFiltersTest, ItemsOfADict) {
  EXPECT_EQ(Rendered("{% for k, v in {'a': 1}|items %}{{ k }}{{ v }}{% endfor %}"), "a1");
  EXPECT_EQ(Printed("x|items|list"), "[]");
  EXPECT_EQ(Printed("[]|items"), "1: found a list under items, expected a dict");
}

}  // namespace
}  // namespace deduce::jinja
