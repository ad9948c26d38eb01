#include "data/text/tokenizer/byte_level.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deduce {
namespace {

TEST(ByteLevelTest, PrintableBytesAreThemselves) {
  EXPECT_EQ(BytesToCharacters("a~ \n"), "a~\u0120\u010a");
  EXPECT_EQ(BytesToCharacters(std::string("\x00\x7f\xa0\xad\xff", 5)),
            "\u0100\u0121\u0142\u0143\u00ff");
}

TEST(ByteLevelTest, EveryByteComesBack) {
  std::string all, back;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  AppendTokenBytes(BytesToCharacters(all), back);
  EXPECT_EQ(back, all);
}

TEST(ByteLevelTest, OtherTokensAreTakenAsTheyStand) {
  std::string bytes = "x";
  AppendTokenBytes("\u0120a\u4e09", bytes);
  EXPECT_EQ(bytes, "x\u0120a\u4e09");
}

}  // namespace
}  // namespace deduce
