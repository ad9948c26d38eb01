#include "data/tasks/held_out.h"

#include <gtest/gtest.h>

namespace deduce {
namespace {

TEST(HeldOutTest, OneInSixteen) {
  int held_out = 0;
  for (int64_t i = 0; i < 16000; ++i) held_out += IsHeldOut({i, 2 * i + 1, 7});
  EXPECT_NEAR(held_out, 1000, 153);
}

}  // namespace
}  // namespace deduce
