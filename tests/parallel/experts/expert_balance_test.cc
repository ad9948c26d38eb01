#include "parallel/experts/expert_balance.h"

#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <vector>

namespace deduce {
namespace {

using ::testing::ElementsAre;

// The published example: 12 experts in 4 groups, 16 slots on 8 ranks of 2 nodes.
const std::vector<double> kFirstLayer = {90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86};
const std::vector<double> kSecondLayer = {20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27};
const ExpertCluster kCluster = {.num_nodes = 2, .num_ranks = 8, .num_expert_groups = 4};

double MaxOverMean(const std::vector<double>& loads) {
  const double sum = std::accumulate(loads.begin(), loads.end(), 0.0);
  return *std::max_element(loads.begin(), loads.end()) * static_cast<double>(loads.size()) / sum;
}

TEST(PlaceExpertsTest, ThePublishedExampleComesOut) {
  EXPECT_THAT(PlaceExperts(kFirstLayer, 16, kCluster),
              ElementsAre(5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1));
  EXPECT_THAT(PlaceExperts(kSecondLayer, 16, kCluster),
              ElementsAre(7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1));
}

TEST(PlaceExpertsTest, ItsRanksHaveTheseLoads) {
  const std::vector<double> first =
      RankLoads(kFirstLayer, PlaceExperts(kFirstLayer, 16, kCluster), 8);
  EXPECT_THAT(first, ElementsAre(121.5, 86.5, 125, 113, 147.5, 131.5, 156, 152));
  EXPECT_NEAR(MaxOverMean(first), 1.208, 5e-4);
  const std::vector<double> second =
      RankLoads(kSecondLayer, PlaceExperts(kSecondLayer, 16, kCluster), 8);
  EXPECT_THAT(second, ElementsAre(173, 179.5, 120.5, 172, 123, 152, 118.5, 117.5));
  EXPECT_NEAR(MaxOverMean(second), 1.242, 5e-4);
}

// Four groups do not divide by eight nodes: nodes play no part.
TEST(PlaceExpertsTest, WithoutWholeGroupsANodeTheWholeClusterIsBalanced) {
  const ExpertCluster cluster = {.num_nodes = 8, .num_ranks = 8, .num_expert_groups = 4};
  EXPECT_NEAR(MaxOverMean(RankLoads(kFirstLayer, PlaceExperts(kFirstLayer, 16, cluster), 8)), 1.073,
              5e-4);
  EXPECT_NEAR(MaxOverMean(RankLoads(kSecondLayer, PlaceExperts(kSecondLayer, 16, cluster), 8)),
              1.190, 5e-4);
}

TEST(PlaceExpertsTest, EveryExpertHasASlotAndGroupsStayOnTheirNode) {
  const std::vector<int> placed = PlaceExperts(kFirstLayer, 16, kCluster);
  EXPECT_EQ(std::set<int>(placed.begin(), placed.end()).size(), 12U);
  std::set<int> of_first_node;
  for (int slot = 0; slot < 8; ++slot) of_first_node.insert(placed[slot] / 3);
  EXPECT_EQ(of_first_node.size(), 2U);
}

TEST(PlaceExpertsTest, RefusesNumbersThatDoNotDivide) {
  EXPECT_THROW(PlaceExperts(kFirstLayer, 15, kCluster), c10::Error);
  EXPECT_THROW(PlaceExperts(kFirstLayer, 8, kCluster), c10::Error);
  EXPECT_THROW(PlaceExperts({1, 2, 3}, 16, kCluster), c10::Error);
}

}  // namespace
}  // namespace deduce
