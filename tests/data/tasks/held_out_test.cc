#include "data/tasks/held_out.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

namespace deduce {
namespace {

TEST(HeldOutTest, OneInSixteen) {
  int held_out = 0;
  for (int64_t i = 0; i < 16000; ++i) held_out += IsHeldOut({i, 2 * i + 1, 7});
  EXPECT_NEAR(held_out, 1000, 153);
}

TEST(HeldOutTest, TheScriptThatWritesArithmeticChatsLeavesThemOut) {
  const std::string file = testing::TempDir() + "arithmetic_chats.jsonl";
  const std::string command =
      "python3 " DEDUCE_SOURCE_DIR "/scripts/make_arithmetic_chats '" + file + "' 3000";
  ASSERT_EQ(std::system(command.c_str()), 0);
  std::ifstream chats(file);
  std::string line;
  int count = 0;
  for (; std::getline(chats, line); ++count) {
    const size_t begin = line.find("What is ");
    ASSERT_NE(begin, std::string::npos) << line;
    long left = 0, right = 0;
    ASSERT_EQ(std::sscanf(line.c_str() + begin, "What is %ld + %ld?", &left, &right), 2) << line;
    EXPECT_FALSE(IsHeldOut({left, right, '+'})) << line;
  }
  EXPECT_EQ(count, 3000);  // of which chance would hold out 188
  std::remove(file.c_str());
}

}  // namespace
}  // namespace deduce
