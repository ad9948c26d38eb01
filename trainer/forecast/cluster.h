// Numbers of the machines that a run is planned for.
#pragma once

#include "configs/plan.pb.h"

namespace deduce {

// `config` with every number that is not given taken from the cluster it names; memory_gb,
// dollars_per_rank_hour and ranks_per_node stay unset when that has none. The name is one that the
// validator lets through.
//   cpu   one core of a 2-core x86-64 machine with AVX-512: 65 GFLOPS fp32, 12 GB/s
//   h800  989 TFLOPS dense bf16, 80 GB at 3.35 TB/s, nodes of 8 with 160 GB/s within and 50 GB/s
//         between (arXiv 2412.19437, sections 3.1 and 3.2), $2 an hour (table 1 there)
//   h100  the same with 450 GB/s within a node, and no price
ClusterConfig CompleteCluster(const ClusterConfig& config);

}  // namespace deduce
