#include "kernels/random.h"

#include <cmath>

#include "tests/kernels/oracle.h"

namespace deduce {
namespace {

using Words = std::array<uint32_t, 4>;

// The known answers that Random123 publishes for philox4x32 with 10 rounds.
TEST(RandomTest, PhiloxGivesThePublishedAnswers) {
  EXPECT_EQ(Philox4x32({0, 0, 0, 0}, {0, 0}),
            (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(Philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomTest, StreamsDifferBySeedAndUse) {
  EXPECT_NE(RandomStream(1, "init"), RandomStream(2, "init"));
  EXPECT_NE(RandomStream(1, "init"), RandomStream(1, "sample"));
  EXPECT_EQ(RandomStream(1, "init"), RandomStream(1, "init"));
}

TEST(RandomTest, UniformsFillTheUnitIntervalEvenly) {
  const uint64_t stream = RandomStream(3, "uniform");
  double sum = 0;
  for (uint64_t i = 0; i < 20000; ++i) {
    const double u = RandomUniform(stream, i / 100, i % 100);
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
  }
  EXPECT_NEAR(sum / 20000, 0.5, 5 * std::sqrt(1.0 / 12 / 20000));  // five standard errors
}

TEST(RandomTest, IntegersAreEvenOverTheirRange) {
  const uint64_t stream = RandomStream(3, "integer");
  int counts[7] = {};
  for (uint64_t i = 0; i < 14000; ++i) {
    const uint64_t n = RandomInteger(stream, 5, i, 7);
    ASSERT_LT(n, 7U);
    ++counts[n];
  }
  for (const int count : counts) EXPECT_NEAR(count, 2000, 5 * std::sqrt(2000.0 * 6 / 7));
  EXPECT_EQ(RandomInteger(stream, 0, 0, 1), 0U);
}

TEST(RandomTest, NormalsHaveTheirMoments) {
  at::Tensor x = at::empty({40000}, at::kFloat);
  FillNormal(RandomStream(3, "normal"), 0, 0.5, x);
  const double n = 40000;
  EXPECT_NEAR(x.mean().item<double>(), 0, 5 * 0.5 / std::sqrt(n));
  EXPECT_NEAR(x.pow(2).mean().item<double>(), 0.25, 5 * 0.25 * std::sqrt(2 / n));
  EXPECT_NEAR((x * 2).pow(4).mean().item<double>(), 3, 5 * std::sqrt(96 / n));
}

TEST(RandomTest, ASliceOfNormalsNeedsNotTheRest) {
  const uint64_t stream = RandomStream(3, "normal");
  at::Tensor whole = at::empty({50}, at::kFloat);
  at::Tensor part = at::empty({13}, at::kFloat);
  FillNormal(stream, 1000, 2, whole);
  FillNormal(stream, 1017, 2, part);
  EXPECT_TRUE(SameBits(part, whole.narrow(0, 17, 13)));
}

}  // namespace
}  // namespace deduce
