// Choice of experts with expert groups and a selection bias: by sigmoid affinities (DeepSeek-V3
// report, equations 13 to 16) or softmax affinities (DeepSeek-V2 report, equations 20 to 22).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace deduce {

enum class Affinity { kSigmoid, kSoftmax };

// What a group of experts counts by: the sum of its two best choice scores (its one, if it has one
// expert), or its best.
enum class GroupScore { kTwoBest, kBest };

struct RoutingOptions {
  int64_t top_k = 1;
  int64_t num_groups = 1;
  int64_t top_groups = 1;
  double scale = 1;       // of the gate weights
  bool normalize = true;  // divide gate weights by their sum (+ 1e-20)
  Affinity affinity = Affinity::kSigmoid;
  GroupScore group_score = GroupScore::kTwoBest;
};

struct Routing {
  at::Tensor expert_tk;  // int64 [t, top_k]: chosen experts, best choice score first, ties to the
                         // lower index
  at::Tensor gate_tk;    // fp32 [t, top_k]: differentiable in the logits; the bias never enters it
  at::Tensor affinity_te;  // fp32 [t, experts]: sigmoid or softmax of the logits; differentiable
};

// logits_te fp32 [t, experts], bias_e fp32 [experts] (used for the choice only). Row by row; t may
// be 0.
Routing TopKRouting(const at::Tensor& logits_te, const at::Tensor& bias_e,
                    const RoutingOptions& options);

}  // namespace deduce
