// The decoder, or the part of it that a pipeline stage holds: embedding, blocks, final norm, head,
// and the multi-token prediction module; in the shapes of DeepSeek-V3 (arXiv 2412.19437, section 2)
// and Llama, under their Hugging Face names.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "configs/model.pb.h"
#include "data/records/batch.h"
#include "kernels/token_log_prob.h"
#include "parallel/sequence/token_split.h"
#include "trainer/model/block.h"
#include "trainer/model/forward_context.h"
#include "trainer/model/kv_cache.h"
#include "trainer/model/model_groups.h"
#include "trainer/model/model_part.h"
#include "trainer/model/mtp.h"
#include "trainer/model/parameter.h"

namespace deduce {

// The results of one forward over a packed micro-batch, for the next stage and the losses.
struct ForwardResult {
  at::Tensor x_xd;           // residual stream after the last of the layers here
  at::Tensor hidden_xd;      // of the last part: after the final norm, input of the head
  at::Tensor mtp_hidden_xd;  // of the prediction module after its norm (position i predicts token
                             // i + 2); undefined without one
  std::vector<at::Tensor> balance_losses;  // of each routed layer here the sum over sequences of
                                           // the sequence-wise loss, without its alpha; none
                                           // without gradients
};

class Transformer {
 public:
  // Weights are normal(0, initializer_range), norms 1, a function of (seed, parameter name) alone:
  // every layout starts from the same bits; without a seed they are zero, for whoever reads others
  // from a file. `groups`' experts split routed experts evenly; its tensor ranks the heads of
  // attention and the width of dense feed-forward layers, whose numbers they must divide (else
  // c10::Error). All must outlive the model. Without a part: the whole model. options: type and
  // device of weights and all else; kFloat, or kDouble for training steps that are to tell errors
  // from rounding; any device, as the kernels have plain forms.
  static std::unique_ptr<Transformer> Create(const ModelConfig& config,
                                             std::optional<uint64_t> seed,
                                             const ModelGroups& groups,
                                             std::optional<ModelPart> part = std::nullopt,
                                             const at::TensorOptions& options = at::kFloat);
  // Layers keep the addresses of the members below.
  Transformer(const Transformer&) = delete;
  Transformer& operator=(const Transformer&) = delete;

  // Collective over the expert group, and with a share over the groups that have the other tokens.
  // Forward for training or scoring of a batch on the model's device; builds the graph when
  // gradients are enabled. with_mtp: also run the prediction module, if it is here. input_xd: x_xd
  // of the part before; undefined for the first. An empty batch (0 tokens) is allowed and takes
  // part in the collectives, backward included. recompute_attention: see ForwardContext; batch must
  // outlive the graph then. share: the batch has these of a micro-batch's tokens, and it must
  // outlive the graph; null: it is the micro-batch.
  ForwardResult Forward(const PackedBatch& batch, bool with_mtp, const at::Tensor& input_xd = {},
                        bool recompute_attention = false, const TokenShare* share = nullptr);

  // Collective over the expert group. Forward of new tokens of sequences in a cache, without
  // gradients: row i is the token, int64 on the host, at positions[i] of slot slots[i]; its keys
  // and values are written first. Serves prefill and decoding; 0 rows are allowed. Returns what the
  // next part or the head takes, x_td or hidden_td, with the bits that Forward gives the same
  // token.
  at::Tensor ForwardCached(const at::Tensor& tokens_t, const std::vector<int64_t>& slots,
                           const std::vector<int64_t>& positions, KvCache& cache,
                           const at::Tensor& input_td = {});

  KvCache MakeCache(int64_t num_slots, int64_t max_positions) const;

  // TokenLogProb and LogProbRows with the head of the last part: lm_head.weight [vocabulary, d], or
  // the embedding when tied. hidden_td: what the forwards above return.
  TokenLogProbs LogProbs(const at::Tensor& hidden_td, const at::Tensor& targets_t,
                         double temperature = 1) const;
  at::Tensor LogProbRows(const at::Tensor& hidden_td, double temperature) const;

  // In a fixed order that does not depend on the layout.
  std::vector<Parameter>& parameters() { return parameters_; }

  // Selection biases of the routed layers, "...mlp.gate.e_score_correction_bias", fp32 [experts]:
  // not trained by gradients. None unless topk_method is noaux_tc.
  using Buffer = ModelBuffer;
  std::vector<Buffer>& buffers() { return buffers_; }

  // Where the experts of each routed layer are computed, the prediction module's last. At home,
  // unless ExpertSlots places them.
  std::vector<ExpertPlacement>& placements() { return placements_; }

  // Tokens each expert was given by Forward under gradients since the last reset, int64
  // [routed layers here, experts] on the model's device: this rank's own tokens only (the sum over
  // replicas is the step's). The prediction module's layer is the last row.
  at::Tensor expert_load_le() const { return expert_load_le_; }
  void ResetExpertLoad();

  // Auxiliary-loss-free balancing: bias += speed for experts below the mean of their layer's load,
  // -= speed above it.
  void UpdateRoutingBias(const at::Tensor& global_load_le, double speed);

  const at::TensorOptions& options() const { return options_; }
  const ModelConfig& config() const { return config_; }
  const ModelPart& part() const { return part_; }

 private:
  Transformer(const ModelConfig& config, std::optional<uint64_t> seed, const ModelGroups& groups,
              const ModelPart& part, const at::TensorOptions& options);
  at::Tensor RunBlocks(const at::Tensor& tokens_t, const at::Tensor& input_td,
                       ForwardContext& context) const;
  const at::Tensor& HeadWeight() const;
  ComputeType HeadCompute() const;
  // Which of the embedding's leaves the last part reads: the first one's, if it is here, comes
  // before it.
  size_t last_end() const { return part_.first ? 1 : 0; }

  const ModelConfig config_;
  const ModelPart part_;
  const ModelGroups groups_;
  const at::TensorOptions options_;
  std::vector<Parameter> parameters_;
  std::vector<Buffer> buffers_;
  std::vector<ExpertPlacement> placements_;
  ParameterRef embedding_, norm_, head_;
  std::vector<Block> blocks_;
  std::optional<Mtp> mtp_;
  at::Tensor expert_load_le_;
};

}  // namespace deduce
