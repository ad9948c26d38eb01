#include "data/text/chat_template/values/methods.h"

#include <gtest/gtest.h>

#include "tests/data/text/chat_template/rendering.h"

namespace deduce::jinja {
namespace {

TEST(TemplateMethodsTest, OfStrings) {
  EXPECT_EQ(Printed("' a '.strip() ~ 'xax'.lstrip('x') ~ 'ab'.rstrip('b')"), "aaxa");
  EXPECT_EQ(Printed("'<think>r</think>a'.split('</think>')[-1]"), "a");
  EXPECT_EQ(Printed("'a b c'.rsplit(maxsplit=1)"), "['a b', 'c']");
  EXPECT_EQ(Printed("'abc'.startswith(('x', 'ab')) ~ 'abc'.endswith('b')"), "TrueFalse");
  EXPECT_EQ(Printed("'\u4e09xyx'.find('x') ~ 'xyx'.rfind('x') ~ 'a'.find('b') ~ 'aaa'.count('aa')"),
            "12-11");
  EXPECT_EQ(Printed("', '.join(['a', 'b']) ~ 'a-b'.partition('-')"), "a, b('a', '-', 'b')");
  EXPECT_EQ(Printed("'aXb'.removeprefix('a').removesuffix('b').lower().title()"), "X");
  EXPECT_EQ(Printed("'a\\nb'.splitlines()"), "['a', 'b']");
}

TEST(TemplateMethodsTest, OfDictsAndLists) {
  EXPECT_EQ(Printed("{'a': 1}.get('b') ~ {'a': 1}.get('a', 2)"), "None1");
  EXPECT_EQ(Rendered("{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k ~ v }}{% endfor %}"), "a1b2");
  EXPECT_EQ(Printed("[1, 2, 1].count(1) ~ [5, 6].index(6)"), "21");
}

TEST(TemplateMethodsTest, WhatIsNotBuiltIsNamed) {
  EXPECT_EQ(Printed("'{}'.format(1)"),
            "1: found the string method format, expected a supported construct");
  EXPECT_EQ(Printed("'a'.center(3)"),
            "1: found the string method center, expected a supported construct");
  EXPECT_EQ(Printed("[1].append(2)"),
            "1: found the method append, which changes its object, expected a function to call");
  EXPECT_EQ(Printed("'a'.split('')"), "1: found an empty separator, expected a longer one");
  EXPECT_EQ(Printed("'a'.strip(chars='a')"),
            "1: found an argument named chars, expected none by name");
}

}  // namespace
}  // namespace deduce::jinja
