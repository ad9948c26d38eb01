#include "trainer/forecast/cluster.h"

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

namespace deduce {
namespace {

TEST(ClusterTest, GivenNumbersTakeThePlaceOfTheNamedOnes) {
  ClusterConfig config;
  config.set_name("h800");
  config.set_memory_gb(40);
  const ClusterConfig cluster = CompleteCluster(config);
  EXPECT_EQ(cluster.memory_gb(), 40);
  EXPECT_EQ(cluster.peak_tflops(), 989);
  EXPECT_EQ(cluster.node_gb_per_second(), 160);
  EXPECT_EQ(cluster.network_gb_per_second(), 50);
  EXPECT_EQ(cluster.dollars_per_rank_hour(), 2);
}

TEST(ClusterTest, TheDefaultHasNeitherMemoryLimitNorPrice) {
  const ClusterConfig cluster = CompleteCluster({});
  EXPECT_EQ(cluster.name(), "cpu");
  EXPECT_FALSE(cluster.has_memory_gb());
  EXPECT_FALSE(cluster.has_dollars_per_rank_hour());
  EXPECT_GT(cluster.peak_tflops() * cluster.efficiency(), 0);
}

TEST(ClusterTest, AnUnknownNameIsAMistakeOfTheProgram) {
  ClusterConfig config;
  config.set_name("abacus");
  EXPECT_THROW(CompleteCluster(config), c10::Error);
}

}  // namespace
}  // namespace deduce
