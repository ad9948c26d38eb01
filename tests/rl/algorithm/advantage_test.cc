#include "rl/algorithm/advantage.h"

#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace deduce {
namespace {

using ::testing::DoubleEq;
using ::testing::DoubleNear;
using ::testing::Each;
using ::testing::ElementsAre;

// Groups of `each` samples, one after another.
std::vector<uint64_t> Groups(size_t n, size_t each) {
  std::vector<uint64_t> groups;
  for (size_t i = 0; i < n; ++i) groups.push_back(i / each);
  return groups;
}

std::vector<bool> All(size_t n) { return std::vector<bool>(n, true); }

TEST(AdvantagesTest, GroupScaleIsTheSampleDeviationWithTheGuard) {
  // Mean 0.5; squares 4 * 0.25; sample variance 1 / 3.
  const double a = 0.5 / (std::sqrt(1.0 / 3) + 1e-4);
  EXPECT_THAT(Advantages({1, 0, 0, 1}, Groups(4, 4), GrpoConfig::group, All(4)),
              ElementsAre(DoubleEq(a), DoubleEq(-a), DoubleEq(-a), DoubleEq(a)));
}

TEST(AdvantagesTest, GroupsAreIndependent) {
  const auto both = Advantages({1, 2, 4, 10, 30, 20}, Groups(6, 3), GrpoConfig::group, All(6));
  const auto first = Advantages({1, 2, 4}, Groups(3, 3), GrpoConfig::group, All(3));
  const auto second = Advantages({10, 30, 20}, Groups(3, 3), GrpoConfig::group, All(3));
  EXPECT_THAT(std::vector<double>(both.begin(), both.begin() + 3),
              testing::ElementsAreArray(first));
  EXPECT_THAT(std::vector<double>(both.begin() + 3, both.end()), testing::ElementsAreArray(second));
}

TEST(AdvantagesTest, EqualRewardsGiveExactlyZero) {
  // 0.1 * 3 / 3 is not 0.1: subtracting the mean would leave a residue that the guard multiplies by
  // 10^4.
  for (const auto scale : {GrpoConfig::group, GrpoConfig::batch, GrpoConfig::none}) {
    const auto advantages = Advantages({0.1, 0.1, 0.1, 1, 0, 0}, Groups(6, 3), scale, All(6));
    EXPECT_THAT(std::vector<double>(advantages.begin(), advantages.begin() + 3), Each(0.0));
    EXPECT_GT(advantages[3], 0);
  }
}

TEST(AdvantagesTest, BatchScaleDividesEveryGroupByTheDeviationOfAllSamples) {
  // Mean of all 1.5, squares 2.25 + 0.25 + 0.25 + 2.25 = 5, sample variance 5 / 3.
  const double divisor = std::sqrt(5.0 / 3) + 1e-4;
  EXPECT_THAT(Advantages({0, 1, 2, 3}, Groups(4, 2), GrpoConfig::batch, All(4)),
              ElementsAre(DoubleEq(-0.5 / divisor), DoubleEq(0.5 / divisor),
                          DoubleEq(-0.5 / divisor), DoubleEq(0.5 / divisor)));
}

TEST(AdvantagesTest, NoScaleSubtractsTheMeanOnly) {
  EXPECT_THAT(Advantages({0, 1, 2, 5}, Groups(4, 4), GrpoConfig::none, All(4)),
              ElementsAre(-2, -1, 0, 3));
}

TEST(AdvantagesTest, UnscorableSamplesLeaveMeanAndDeviationAndGetZero) {
  for (const auto scale : {GrpoConfig::group, GrpoConfig::batch, GrpoConfig::none}) {
    const auto masked = Advantages({1, 999, 0, 0}, Groups(4, 4), scale, {true, false, true, true});
    const auto without = Advantages({1, 0, 0}, Groups(3, 3), scale, All(3));
    EXPECT_THAT(masked, ElementsAre(without[0], 0, without[1], without[2]));
  }
}

TEST(AdvantagesTest, AGroupWithoutTwoScorableSamplesGetsZero) {
  EXPECT_THAT(Advantages({1, 0, 0}, Groups(3, 3), GrpoConfig::group, {true, false, false}),
              Each(0.0));
  EXPECT_THAT(Advantages({1, 0, 0}, Groups(3, 3), GrpoConfig::group, {false, false, false}),
              Each(0.0));
  EXPECT_THAT(Advantages({1, 7}, Groups(2, 1), GrpoConfig::group, All(2)), Each(0.0));
}

TEST(AdvantagesTest, SumIsZeroAndDeviationNearOne) {
  const auto advantages =
      Advantages({0.3, 0.7, 2.0, -1.1, 0.3}, Groups(5, 5), GrpoConfig::group, All(5));
  double sum = 0, squares = 0;
  for (const double a : advantages) {
    sum += a;
    squares += a * a;
  }
  EXPECT_NEAR(sum, 0, 1e-14);
  EXPECT_THAT(std::sqrt(squares / 4), DoubleNear(1, 2e-4));  // the guard against a deviation of 1.1
}

TEST(AdvantagesTest, GroupsMayHaveAnySizeAndLieMixed) {
  // Groups 7, 3 and 5 of three, two and one.
  const auto mixed =
      Advantages({1, 10, 2, 4, 30, 6}, {7, 3, 7, 7, 3, 5}, GrpoConfig::group, All(6));
  const auto three = Advantages({1, 2, 4}, {0, 0, 0}, GrpoConfig::group, All(3));
  const auto two = Advantages({10, 30}, {0, 0}, GrpoConfig::group, All(2));
  EXPECT_THAT(mixed, ElementsAre(three[0], two[0], three[1], three[2], two[1], 0));
}

TEST(AdvantagesTest, SizesThatDoNotFitThrow) {
  EXPECT_THROW(Advantages({1, 2, 3}, {0, 0}, GrpoConfig::group, All(3)), c10::Error);
  EXPECT_THROW(Advantages({1, 2}, {0, 0}, GrpoConfig::group, All(3)), c10::Error);
}

}  // namespace
}  // namespace deduce
