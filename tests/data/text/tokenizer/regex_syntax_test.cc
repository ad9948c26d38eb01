#include "data/text/tokenizer/regex_syntax.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deduce {
namespace {

using ::testing::HasSubstr;

std::string Plain(const std::string& pattern) {
  const auto translated = TranslateRegex(pattern);
  return translated.ok() ? translated->plain : std::string(translated.status().message());
}

TEST(RegexSyntaxTest, CopiesWhatMeansTheSame) {
  for (const char* same :
       {"a|b", "(?i:'s)", "(?!x)", "[^\\r\\n-a]+?", "x{1,3}", "x{2,}?", "\\[\\x41", "^.$"}) {
    EXPECT_EQ(Plain(same), same);
  }
}

TEST(RegexSyntaxTest, SpellsWhiteSpaceOut) {
  EXPECT_THAT(Plain("\\s+"), HasSubstr("[\\x{9}-\\x{d}"));
  EXPECT_THAT(Plain("\\S"), HasSubstr("[^\\x{9}-\\x{d}"));
  EXPECT_THAT(Plain("[\\sa]"), HasSubstr("\\x{3000}a]"));
}

TEST(RegexSyntaxTest, OnlyTheExtendedFormHasTheAdditions) {
  const auto translated = TranslateRegex("[^\\p{L}]\\P{N}");
  EXPECT_EQ(translated->plain, "[^\\p{L}][^\\p{N}]");
  EXPECT_THAT(translated->extended, HasSubstr("\\x{31350}-\\x{323af}"));
}

TEST(RegexSyntaxTest, RefusesWhatDiffersOrIsUnknown) {
  for (const char* odd : {"\\w", "\\b", "\\h", "\\p{Han}", "\\p{C}", "\\p{L", "[\\P{L}]",
                          "[[:alpha:]]", "[a&&b]", "(?<name>a)", "(*FAIL)", "(?x:a)", "a{,3}",
                          "a{2}+", "a{2}?", "\\1", "\\", "[]a]", "\\xZ1"}) {
    EXPECT_THAT(Plain(odd), ::testing::StartsWith("found ")) << odd;
    EXPECT_THAT(Plain(odd), HasSubstr("expected")) << odd;
  }
}

}  // namespace
}  // namespace deduce
