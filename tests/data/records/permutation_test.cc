#include "data/records/permutation.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace deduce {
namespace {

std::vector<uint64_t> Order(uint64_t stream, uint64_t epoch, uint64_t n) {
  std::vector<uint64_t> order;
  for (uint64_t i = 0; i < n; ++i) order.push_back(PermutedIndex(stream, epoch, i, n));
  return order;
}

TEST(PermutationTest, IsABijectionForEverySmallSize) {
  for (uint64_t n = 1; n <= 130; ++n) {
    for (uint64_t epoch = 0; epoch < 3; ++epoch) {
      const std::vector<uint64_t> order = Order(7, epoch, n);
      const std::set<uint64_t> distinct(order.begin(), order.end());
      EXPECT_EQ(distinct.size(), n);
      EXPECT_LT(*distinct.rbegin(), n);
    }
  }
}

TEST(PermutationTest, EpochsAndStreamsHaveOrdersOfTheirOwn) {
  EXPECT_NE(Order(7, 0, 100), Order(7, 1, 100));
  EXPECT_NE(Order(7, 0, 100), Order(8, 0, 100));
  EXPECT_EQ(Order(7, 0, 100), Order(7, 0, 100));
}

// Over many epochs an element visits every place about equally often: chi-square with 15 degrees of
// freedom stays under 50 (p about 1e-5).
TEST(PermutationTest, ElementsVisitEveryPlace) {
  constexpr uint64_t kSize = 16, kEpochs = 1600;
  std::vector<int> count(kSize);
  for (uint64_t epoch = 0; epoch < kEpochs; ++epoch) ++count[PermutedIndex(3, epoch, 5, kSize)];
  double chi_square = 0;
  for (const int c : count) chi_square += (c - 100.0) * (c - 100.0) / 100.0;
  EXPECT_LT(chi_square, 50);
}

TEST(PermutationTest, RefusesAnIndexOutside) { EXPECT_ANY_THROW(PermutedIndex(7, 0, 5, 5)); }

TEST(PermutationTest, WorksAtTheTopOfTheRange) {
  const uint64_t n = ~uint64_t{0};
  EXPECT_NE(PermutedIndex(7, 0, n - 1, n), PermutedIndex(7, 0, n - 2, n));
}

}  // namespace
}  // namespace deduce
