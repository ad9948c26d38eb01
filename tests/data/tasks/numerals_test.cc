#include "data/tasks/numerals.h"

#include <gtest/gtest.h>

namespace deduce {
namespace {

TEST(NumeralsTest, WritesDigitByDigit) {
  EXPECT_EQ(WriteNumeral(1230456789, Script::kAscii), "1230456789");
  EXPECT_EQ(WriteNumeral(1230456789, Script::kChinese),
            "\u4e00\u4e8c\u4e09\u3007\u56db\u4e94\u516d\u4e03\u516b\u4e5d");
  EXPECT_EQ(WriteNumeral(0, Script::kChinese), "\u3007");
}

TEST(NumeralsTest, ReadsBackWhatItWrites) {
  for (const int64_t number : {int64_t{0}, int64_t{7}, int64_t{10}, int64_t{1234567890123456}}) {
    for (const Script script : {Script::kAscii, Script::kChinese}) {
      EXPECT_EQ(ParseNumeral(WriteNumeral(number, script)), std::to_string(number));
    }
  }
}

TEST(NumeralsTest, ReadsZerosSpacesAndLongNumbers) {
  EXPECT_EQ(ParseNumeral(" 0042\n"), "42");
  EXPECT_EQ(ParseNumeral("000"), "0");
  EXPECT_EQ(ParseNumeral("\u4e00\u96f6"), "10");
  EXPECT_EQ(ParseNumeral(std::string(500, '9')), std::string(500, '9'));
}

TEST(NumeralsTest, RefusesWhatIsNotOneNumber) {
  for (const char* text :
       {"", " ", "1 2", "1\u4e8c", "-1", "1.0", "12a", "\u767e", "\xff", "1\xe4"}) {
    EXPECT_EQ(ParseNumeral(text), std::nullopt) << text;
  }
}

TEST(NumeralsTest, CountsDigitsOfBothScripts) {
  const NumeralCount count = CountNumerals("37+\u4e03=\xff 4 \u767e");
  EXPECT_EQ(count.ascii, 3);
  EXPECT_EQ(count.chinese, 1);
}

TEST(NumeralsTest, NamesScripts) {
  EXPECT_EQ(ScriptOfLanguage("ascii"), Script::kAscii);
  EXPECT_EQ(ScriptOfLanguage("chinese"), Script::kChinese);
  EXPECT_EQ(ScriptOfLanguage("english"), std::nullopt);
}

}  // namespace
}  // namespace deduce
