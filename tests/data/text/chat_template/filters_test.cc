#include "data/text/chat_template/filters.h"

#include <gtest/gtest.h>

#include "tests/data/text/chat_template/rendering.h"

namespace deduce::jinja {
namespace {

TEST(FiltersTest, MapByFilterAndByAttribute) {
  EXPECT_EQ(Printed("['a', 'b']|map('upper')|join"), "AB");
  EXPECT_EQ(Printed("['a', 'b']|map('replace', 'a', 'c')|list"), "['c', 'b']");
  EXPECT_EQ(Printed("[{'r': 1}, {}]|map(attribute='r', default=0)|list"), "[1, 0]");
}

TEST(FiltersTest, SelectAndReject) {
  EXPECT_EQ(Printed("[0, 1, 2, 3]|select|list ~ [1, 2, 3]|reject('odd')|list"), "[1, 2, 3][2]");
  EXPECT_EQ(Printed("[{'r': 'u'}, {'r': 'a'}]|selectattr('r', 'equalto', 'a')|list"),
            "[{'r': 'a'}]");
  EXPECT_EQ(Printed("[{'r': 'u'}, {}]|rejectattr('r')|list"), "[{}]");
}

TEST(FiltersTest, AGeneratorIsTrueAndHasNoLength) {
  EXPECT_EQ(Printed("'yes' if [1]|select('string') else 'no'"), "yes");
  EXPECT_EQ(Printed("[1]|select|length"), "1: found a generator, expected something with a length");
  EXPECT_EQ(Rendered("{% set g = [1, 2]|select %}{{ g|first }}{{ g|join }}{{ g|join }}"), "12");
}

TEST(FiltersTest, UnknownFiltersAreNamedWhenReached) {
  EXPECT_EQ(Printed("1|nosuch"), "1: found the filter nosuch, expected a supported construct");
  EXPECT_EQ(Rendered("{% if false %}{{ 1|nosuch }}{% endif %}ok"), "ok");
}

}  // namespace
}  // namespace deduce::jinja
