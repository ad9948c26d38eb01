#include "data/text/chat_template/lexer.h"

#include <gtest/gtest.h>

#include "tests/data/text/chat_template/rendering.h"

namespace deduce::jinja {
namespace {

TEST(TemplateLexerTest, BlocksTakeTheirLine) {
  EXPECT_EQ(Rendered("a\n  {% if true %}\n  b\n  {% endif %}\nc\n"), "a\n  b\nc");
  EXPECT_EQ(Rendered("a {% if true %} b"
                     "{% endif %}"),
            "a  b");  // not alone on its line
  EXPECT_EQ(Rendered("x\n  {# note #}\ny"), "x\ny");
  EXPECT_EQ(Rendered("  {{ 1 }}\n2"), "  1\n2");  // output does not
}

TEST(TemplateLexerTest, SignsTakeOrKeepSpace) {
  EXPECT_EQ(Rendered("a \n {{- 1 -}} \n b"), "a1b");
  EXPECT_EQ(Rendered("a\n  {%+ if true +%}\nb{% endif %}"), "a\n  \nb");
  EXPECT_EQ(Rendered("a\u3000{{- 1 }}"), "a1");
}

TEST(TemplateLexerTest, RawTextStaysAsItIs) {
  EXPECT_EQ(Rendered("{% raw %}{{ a }}{% if %}{% endraw %}b"), "{{ a }}{% if %}b");
  EXPECT_EQ(Rendered("a {%- raw -%} x {%- endraw -%} b"), "axb");
}

TEST(TemplateLexerTest, LineEndsAreOne) { EXPECT_EQ(Rendered("a\r\nb\rc\n\n"), "a\nb\nc\n"); }

TEST(TemplateLexerTest, EscapesInStrings) {
  EXPECT_EQ(Printed("'\\n\\t\\'\\\\ \\x41\\u4e09\\U0001f600\\101\\q'"),
            "\n\t'\\ A\u4e09\U0001f600A\\q");
}

TEST(TemplateLexerTest, BracesOfDictsDoNotEndATag) {
  EXPECT_EQ(Printed("{'a': {'b': 1}}"), "{'a': {'b': 1}}");
}

TEST(TemplateLexerTest, ErrorsNameTheLine) {
  const struct {
    const char *text, *message;
  } cases[] = {
      {"a\n{# b", "t:2: found a comment without an end, expected #}"},
      {"{{ 'a }}", "t:1: found a string without an end, expected '"},
      {"{{ (1] }}", "t:1: found a ], expected )"},
      {"\n{{ 1 ! 2 }}", "t:2: found the character ! in a tag, expected an expression"},
      {"{% raw %}x", "t:1: found a raw block without an end, expected endraw"},
      {"{{ '\\x4' }}", "t:1: found the escape \\x4, expected 2 hexadecimal digits"},
      {"{{ x", "t:1: found a tag without an end, expected }}"},
      {"a\xff", "t: found byte 0xff at 1, expected UTF-8"},
  };
  for (const auto& [text, message] : cases) {
    const auto tokens = Tokenize(text, "t");
    ASSERT_FALSE(tokens.ok()) << text;
    EXPECT_NE(std::string(tokens.status().message()).find(message), std::string::npos)
        << tokens.status();
  }
}

}  // namespace
}  // namespace deduce::jinja
