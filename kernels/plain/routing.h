// Routing of tokens to experts in ATen operations, for any floating type and device, differentiable
// by autograd: the oracle of the kernels' tests, and what computes where they have no faster form.
// Nothing here waits for a device.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace deduce {

enum class Affinity { kSigmoid, kSoftmax };

// How groups of experts are compared: by the sum of their two best choice scores (of a group of one
// expert, its one), or by their best.
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
  at::Tensor expert_tk;    // int64 [t, top_k]: chosen experts, best choice score first, ties to the
                           // lower index
  at::Tensor gate_tk;      // [t, top_k]: differentiable in the logits; the bias never enters it
  at::Tensor affinity_te;  // [t, experts]: sigmoid or softmax of the logits; differentiable
};

// The rows of all (token, choice) pairs, sorted by expert and then by token.
struct ExpertOrder {
  at::Tensor row_tk;             // int64 [t, k]: where the pair's row stands
  at::Tensor rows_per_expert_e;  // int64 [experts]: adds up to t * k
};

namespace plain {

// Each as the kernel of its name, without its checks. Scores of choice are in fp32 whatever the
// logits are.
Routing TopKRouting(const at::Tensor& logits_te, const at::Tensor& bias_e,
                    const RoutingOptions& options);
ExpertOrder OrderByExpert(const at::Tensor& expert_tk, int64_t num_experts);
at::Tensor GatherRows(const at::Tensor& x_td, const at::Tensor& row_tk);
at::Tensor CombineRows(const at::Tensor& rows_nd, const at::Tensor& gate_tk,
                       const at::Tensor& row_tk);
at::Tensor SequenceLoad(const at::Tensor& expert_tk, int64_t num_experts,
                        const std::vector<int64_t>& sequence_starts);
at::Tensor SequenceBalanceLoss(const at::Tensor& affinity_te, int64_t top_k,
                               const at::Tensor& load_se,
                               const std::vector<int64_t>& sequence_starts);

}  // namespace plain
}  // namespace deduce
