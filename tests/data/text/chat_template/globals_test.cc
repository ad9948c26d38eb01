#include "data/text/chat_template/globals.h"

#include <gtest/gtest.h>

#include "tests/data/text/chat_template/rendering.h"

namespace deduce::jinja {
namespace {

TEST(TemplateGlobalsTest, ATemplateCanRefuseAConversation) {
  EXPECT_EQ(Rendered("\n{{ raise_exception('no\\nway') }}"),
            "2: found a conversation that the template refuses (no\\nway), expected another one");
}

TEST(TemplateGlobalsTest, RangesAreBounded) {
  EXPECT_EQ(Printed("range(3)|list ~ range(5, 0, -2)|list ~ range(2)[1]"), "[0, 1, 2][5, 3, 1]1");
  EXPECT_EQ(Printed("range(100001)"), "1: found a longer range, expected at most 100000 numbers");
}

TEST(TemplateGlobalsTest, DictAndNamespace) {
  EXPECT_EQ(Printed("dict({'a': 1}, b=2)"), "{'a': 1, 'b': 2}");
  EXPECT_EQ(Rendered("{% set ns = namespace(a=1) %}{% for i in [1, 2] %}{% set ns.a = ns.a + i "
                     "%}{% endfor %}{{ ns.a }}{{ ns['b'] is defined }}"),
            "4False");
  EXPECT_EQ(Rendered("{% set ns = namespace() %}{% set ns.x = ns %}"),
            "1: found a namespace in a namespace, expected a supported construct");
  EXPECT_EQ(Rendered("{% set ns = namespace(_a=1) %}"),
            "1: found the attribute _a, expected no _ in front");
}

TEST(TemplateGlobalsTest, TheClockIsLocal) {
  const std::time_t now = 1751375045;
  std::tm local = {};
  localtime_r(&now, &local);
  char year[8];
  std::strftime(year, sizeof year, "%Y", &local);
  EXPECT_EQ(Rendered("{{ strftime_now('%Y') }}", {}, now), year);
  EXPECT_EQ(Printed("strftime_now('%f')"),
            "1: found strftime_now with %f, expected a supported construct");
}

}  // namespace
}  // namespace deduce::jinja
