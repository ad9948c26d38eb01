#include "rl/rollout/sampler.h"

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/random.h"

namespace deduce {
namespace {

std::vector<float> Logs(const std::vector<double>& probabilities) {
  std::vector<float> logs;
  for (const double p : probabilities) logs.push_back(static_cast<float>(std::log(p)));
  return logs;
}

TEST(SampleTokenTest, IsTheInverseCumulativeDistributionInOrderOfId) {
  const std::vector<float> row = Logs({0.1, 0.4, 0.2, 0.3});
  EXPECT_EQ(SampleToken(row, 1, 0), 0);
  EXPECT_EQ(SampleToken(row, 1, 0.099), 0);
  EXPECT_EQ(SampleToken(row, 1, 0.101), 1);
  EXPECT_EQ(SampleToken(row, 1, 0.499), 1);
  EXPECT_EQ(SampleToken(row, 1, 0.501), 2);
  EXPECT_EQ(SampleToken(row, 1, 0.699), 2);
  EXPECT_EQ(SampleToken(row, 1, 0.701), 3);
  EXPECT_EQ(SampleToken(row, 1, std::nextafter(1.0, 0.0)), 3);
}

TEST(SampleTokenTest, NeverDrawsATokenOfProbabilityZero) {
  const std::vector<float> row = Logs({0, 0.5, 0, 0.5, 0});
  for (const double uniform : {0.0, 0.25, 0.4999999, 0.5, 0.75, std::nextafter(1.0, 0.0)}) {
    const int64_t token = SampleToken(row, 1, uniform);
    EXPECT_TRUE(token == 1 || token == 3) << token;
  }
}

TEST(SampleTokenTest, TopPKeepsTheSmallestSetAndRenormalises) {
  const std::vector<float> row = Logs({0.1, 0.4, 0.2, 0.3});
  // 0.4 + 0.3 reach 0.6: tokens 1 and 3, with 4/7 and 3/7.
  EXPECT_EQ(SampleToken(row, 0.6, 0), 1);
  EXPECT_EQ(SampleToken(row, 0.6, 0.57), 1);
  EXPECT_EQ(SampleToken(row, 0.6, 0.573), 3);
  EXPECT_EQ(SampleToken(row, 0.6, std::nextafter(1.0, 0.0)), 3);
  // Any top_p keeps at least the best one.
  EXPECT_EQ(SampleToken(row, 1e-9, 0.99), 1);
}

TEST(SampleTokenTest, TopPTiesGoToTheLowerId) {
  const std::vector<float> row = Logs({0.25, 0.25, 0.25, 0.25});
  EXPECT_EQ(SampleToken(row, 0.45, 0.49), 0);
  EXPECT_EQ(SampleToken(row, 0.45, 0.51), 1);
  EXPECT_EQ(SampleToken(row, 0.45, std::nextafter(1.0, 0.0)), 1);
}

TEST(SampleTokenTest, FrequenciesMatchTheDistribution) {
  const std::vector<double> probabilities = {0.05, 0.5, 0.15, 0.3};
  const std::vector<float> row = Logs(probabilities);
  const uint64_t stream = RandomStream(1, "sampler_test");
  constexpr int kDraws = 20000;
  std::vector<int> counts(probabilities.size());
  for (int i = 0; i < kDraws; ++i) ++counts[SampleToken(row, 1, RandomUniform(stream, 0, i))];
  for (size_t v = 0; v < probabilities.size(); ++v) {
    const double p = probabilities[v];
    EXPECT_NEAR(counts[v], kDraws * p, 4 * std::sqrt(kDraws * p * (1 - p))) << "token " << v;
  }
}

TEST(SampleTokenTest, BadRowsThrow) {
  EXPECT_THROW(SampleToken({}, 1, 0.5), c10::Error);
  EXPECT_THROW(SampleToken(Logs({0, 0}), 1, 0.5), c10::Error);
  EXPECT_THROW(SampleToken(std::vector<float>{0, std::nanf("")}, 1, 0.5), c10::Error);
  EXPECT_THROW(SampleToken(Logs({0.5, 0.5}), 1, 1.0), c10::Error);
}

TEST(GreedyTokenTest, TakesTheFirstOfTheMostProbable) {
  EXPECT_EQ(GreedyToken(Logs({0.1, 0.4, 0.1, 0.4})), 1);
  EXPECT_THROW(GreedyToken({}), c10::Error);
  EXPECT_THROW(GreedyToken(std::vector<float>{-1, std::nanf("")}), c10::Error);
  EXPECT_THROW(GreedyToken(std::vector<float>{std::nanf(""), -1}), c10::Error);
}

}  // namespace
}  // namespace deduce
