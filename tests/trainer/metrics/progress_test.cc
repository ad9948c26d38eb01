#include "trainer/metrics/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace deduce {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ProgressTest, PlainLinesCarryRateAndTimeLeft) {
  double now = 100;
  std::ostringstream out;
  Progress progress({.label = "rl", .begin = 10, .total = 110}, out, 0, [&] { return now; });
  now = 120;
  progress.Update(20, "reward 0.5");
  EXPECT_EQ(out.str(), "rl step 20/110, 0.5/s, 3:00 left, reward 0.5\n");
}

TEST(ProgressTest, PlainLinesAreRareButTheLastIsPrinted) {
  double now = 0;
  std::ostringstream out;
  Progress progress({.label = "rl", .total = 100, .interval = 10}, out, 0, [&] { return now; });
  for (int64_t step = 1; step <= 99; ++step) {
    now += 1;
    progress.Update(step, "");
  }
  const std::string before = out.str();
  EXPECT_EQ(std::count(before.begin(), before.end(), '\n'), 10);
  progress.Update(100, "");
  EXPECT_THAT(out.str(), HasSubstr("step 100/100"));
}

TEST(ProgressTest, WhatIsWorthALineIsAlwaysPrinted) {
  std::ostringstream out;
  Progress progress({.label = "rl", .total = 9, .interval = 10}, out, 0, [] { return 1; });
  for (int64_t step = 1; step < 5; ++step) progress.Update(step, "", step == 3);
  EXPECT_THAT(out.str(), HasSubstr("step 3/9"));
  EXPECT_THAT(out.str(), Not(HasSubstr("step 2/9")));
}

TEST(ProgressTest, BarFitsTheTerminalAndEndsItsLine) {
  double now = 0;
  std::ostringstream out;
  Progress progress({.label = "rl", .total = 4}, out, 40, [&] { return now; });
  now = 1;
  progress.Update(1, std::string(100, 'x'));
  const std::string bar = out.str();
  EXPECT_THAT(bar, HasSubstr("[######..................]"));
  EXPECT_THAT(bar, Not(HasSubstr("\n")));
  EXPECT_EQ(bar.size(), std::string("\r\033[K").size() + 39);
  progress.Break();
  progress.Break();
  EXPECT_EQ(out.str(), bar + "\n");
  progress.Update(4, "");
  EXPECT_EQ(out.str().back(), '\n');
}

}  // namespace
}  // namespace deduce
