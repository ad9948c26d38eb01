#include "trainer/forecast/cluster.h"

#include <c10/util/Exception.h>

#include <string>

namespace deduce {
namespace {

// The share of the peak that products reach where nothing was measured: 118.2 ms of kernels
// for 65.8 TFLOP in the published trace of an H800 (deepseek-ai/profile-data, train.json).
constexpr double kH800Efficiency = 65.8 / 118.2e-3 / 989;

ClusterConfig NamedCluster(const std::string& name) {
  ClusterConfig cluster;
  cluster.set_name(name);
  if (name == "cpu") {
    cluster.set_peak_tflops(0.065);
    cluster.set_memory_gb_per_second(12);
    cluster.set_network_gb_per_second(1);
    cluster.set_node_gb_per_second(6);
    cluster.set_efficiency(0.5);
    return cluster;
  }
  TORCH_CHECK(name == "h800" || name == "h100", "CompleteCluster: found ", name,
              ", expected cpu, h800 or h100");
  cluster.set_peak_tflops(989);
  cluster.set_memory_gb(80);
  cluster.set_memory_gb_per_second(3350);
  cluster.set_network_gb_per_second(50);
  cluster.set_node_gb_per_second(name == "h800" ? 160 : 450);
  cluster.set_ranks_per_node(8);
  if (name == "h800") cluster.set_dollars_per_rank_hour(2);
  cluster.set_efficiency(kH800Efficiency);
  return cluster;
}

}  // namespace

ClusterConfig CompleteCluster(const ClusterConfig& config) {
  ClusterConfig cluster = NamedCluster(config.name());
  cluster.MergeFrom(config);
  return cluster;
}

}  // namespace deduce
