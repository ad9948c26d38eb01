#include "trainer/model/transformer.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/sign.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <utility>

#include "kernels/backward/autograd.h"
#include "kernels/rms_norm.h"

namespace deduce {
namespace {

RotaryTable MakeTable(const ModelConfig& config) {
  RotaryOptions options;
  options.dim = config.attention() == ModelConfig::MLA ? config.qk_rope_head_dim()
                                                       : GqaAttention::HeadDim(config);
  options.theta = config.rope().theta();
  if (config.rope().has_yarn()) {
    const YarnConfig& yarn = config.rope().yarn();
    options.yarn = {.factor = yarn.factor(),
                    .original_max_positions = yarn.original_max_position_embeddings(),
                    .beta_fast = yarn.beta_fast(),
                    .beta_slow = yarn.beta_slow(),
                    .mscale = yarn.mscale(),
                    .mscale_all_dim = yarn.mscale_all_dim(),
                    .attention_factor = yarn.attention_factor()};
  }
  if (config.rope().has_llama3()) {
    const Llama3RopeConfig& llama3 = config.rope().llama3();
    options.llama3 = {.factor = llama3.factor(),
                      .low_freq_factor = llama3.low_freq_factor(),
                      .high_freq_factor = llama3.high_freq_factor(),
                      .original_max_positions = llama3.original_max_position_embeddings()};
  }
  options.linear_factor = config.rope().linear_factor();
  return MakeRotaryTable(options, config.max_position_embeddings());
}

}  // namespace

std::unique_ptr<Transformer> Transformer::Create(const ModelConfig& config,
                                                 std::optional<uint64_t> seed,
                                                 const ModelGroups& groups,
                                                 std::optional<ModelPart> part,
                                                 const at::TensorOptions& options) {
  return std::unique_ptr<Transformer>(
      new Transformer(config, seed, groups, part.value_or(WholeModel(config)), options));
}

Transformer::Transformer(const ModelConfig& config, std::optional<uint64_t> seed,
                         const ModelGroups& groups, const ModelPart& part,
                         const at::TensorOptions& options)
    : config_(config), part_(part), groups_(groups), options_(options) {
  TORCH_CHECK(config_.compute() != ModelConfig::bf16_where_native,
              "Transformer: found compute bf16_where_native, expected ResolveComputeType's answer");
  const RotaryTable table = MakeTable(config_).To(options.device());
  const ComputeType compute =
      config_.compute() == ModelConfig::bf16 ? ComputeType::kBfloat16 : ComputeType::kFloat32;
  ParameterFactory factory(seed, config_.initializer_range(), groups_.experts->rank(),
                           groups_.experts->size(), parameters_, compute, options,
                           groups_.tensor_rank(), groups_.tensor_ranks());
  int64_t routed_layers = 0;
  const BlockParts parts{config_, table, factory, buffers_, placements_, groups_, routed_layers};
  const int64_t vocabulary = config_.vocab_size(), hidden = config_.hidden_size();
  const char* const embedding = "model.embed_tokens.weight";
  if (SharesEmbedding(config_) && (part_.first || part_.last)) {
    const int ends = part_.first && part_.last ? 2 : 1;
    embedding_ = factory.Embedding(embedding, vocabulary, hidden, ends, /*is_copy=*/!part_.first);
  } else if (part_.first) {
    embedding_ = factory.Matrix(embedding, vocabulary, hidden);
  }
  blocks_.reserve(part_.num_layers);
  for (int64_t i = 0; i < part_.num_layers; ++i)
    blocks_.emplace_back(part_.first_layer + i, i, parts);
  if (part_.last) {
    norm_ = factory.Norm("model.norm.weight", hidden);
    if (!config_.tie_word_embeddings())
      head_ = factory.Matrix("lm_head.weight", vocabulary, hidden);
    if (config_.num_nextn_predict_layers() > 0) mtp_.emplace(config_.num_hidden_layers(), parts);
  }
  expert_load_le_ =
      at::zeros({routed_layers, config_.moe().n_routed_experts()}, options.dtype(at::kLong));
}

// The one path of packed and cached tokens: [t, d] after the last of the layers here.
at::Tensor Transformer::RunBlocks(const at::Tensor& tokens_t, const at::Tensor& input_td,
                                  ForwardContext& context) const {
  TORCH_CHECK(input_td.defined() != part_.first, "Transformer: found ",
              input_td.defined() ? "an" : "no", " input, expected the opposite of a part that ",
              part_.first ? "is" : "is not", " the first");
  at::Tensor x_td = part_.first ? at::embedding(embedding_.leaf(), tokens_t) : input_td;
  for (const Block& block : blocks_) x_td = block.Forward(x_td, context);
  return x_td;
}

ForwardResult Transformer::Forward(const PackedBatch& batch, bool with_mtp,
                                   const at::Tensor& input_xd, bool recompute_attention,
                                   const TokenShare* share) {
  const int64_t t = batch.num_tokens();
  const at::Tensor none = at::empty({0}, options_.dtype(at::kLong));
  static const std::vector<int64_t> no_sequences = {0};
  ForwardContext context;
  context.positions_t = t > 0 ? batch.positions_x : none;
  if (share != nullptr) context.positions_t = share->context_positions_t;
  context.share = share;
  context.groups = &groups_;
  context.sequence_starts = share != nullptr || t > 0 ? &batch.sequence_starts : &no_sequences;
  context.expert_load_le = expert_load_le_;
  context.recompute_attention = recompute_attention && c10::GradMode::is_enabled();

  ForwardResult result;
  result.x_xd = RunBlocks(t > 0 ? batch.tokens_x : none, input_xd, context);
  if (part_.last) result.hidden_xd = RmsNorm(result.x_xd, norm_.leaf(), config_.rms_norm_eps());
  if (with_mtp && mtp_) {
    const at::Tensor next_td =
        at::embedding(embedding_.leaf(last_end()), t > 0 ? batch.targets_x : none);
    result.mtp_hidden_xd = mtp_->Forward(result.x_xd, next_td, context);
  }
  result.balance_losses = std::move(context.balance_losses);
  return result;
}

at::Tensor Transformer::ForwardCached(const at::Tensor& tokens_t, const std::vector<int64_t>& slots,
                                      const std::vector<int64_t>& positions, KvCache& cache,
                                      const at::Tensor& input_td) {
  const int64_t t = tokens_t.numel();
  TORCH_CHECK(static_cast<int64_t>(slots.size()) == t &&
                  static_cast<int64_t>(positions.size()) == t &&
                  cache.k_spgk.size() == blocks_.size(),
              "ForwardCached: found ", t, " tokens, ", slots.size(), " slots, ", positions.size(),
              " positions and a cache of ", cache.k_spgk.size(),
              " layers, expected equal counts and ", blocks_.size(), " layers");
  const at::NoGradGuard no_grad;
  const BelowAutograd below_autograd;
  ForwardContext context;
  context.positions_t = at::tensor(positions, options_.dtype(at::kLong));
  context.groups = &groups_;
  context.cache = &cache;
  context.slots = &slots;
  context.positions = &positions;
  const at::Tensor x_td = RunBlocks(tokens_t.to(options_.device()), input_td, context);
  return part_.last ? RmsNorm(x_td, norm_.leaf(), config_.rms_norm_eps()) : x_td;
}

const at::Tensor& Transformer::HeadWeight() const {
  TORCH_CHECK(part_.last, "Transformer: found a part without the head, expected the last");
  return config_.tie_word_embeddings() ? embedding_.weight(last_end()) : head_.weight();
}

ComputeType Transformer::HeadCompute() const {
  return (config_.tie_word_embeddings() ? embedding_ : head_).compute();
}

TokenLogProbs Transformer::LogProbs(const at::Tensor& hidden_td, const at::Tensor& targets_t,
                                    double temperature) const {
  return TokenLogProb(hidden_td, HeadWeight(), targets_t, temperature, HeadCompute());
}

at::Tensor Transformer::LogProbRows(const at::Tensor& hidden_td, double temperature) const {
  return deduce::LogProbRows(hidden_td, HeadWeight(), temperature, HeadCompute());
}

KvCache Transformer::MakeCache(int64_t num_slots, int64_t max_positions) const {
  const bool mla = config_.attention() == ModelConfig::MLA;
  const int64_t all_heads = mla ? config_.num_attention_heads() : GqaAttention::KvHeads(config_);
  const int64_t kv_heads = all_heads / groups_.tensor_ranks();
  const int64_t k_dim = mla ? config_.qk_nope_head_dim() + config_.qk_rope_head_dim()
                            : GqaAttention::HeadDim(config_);
  const int64_t v_dim = mla ? config_.v_head_dim() : k_dim;
  KvCache cache;
  for (size_t layer = 0; layer < blocks_.size(); ++layer) {
    cache.k_spgk.push_back(at::zeros({num_slots, max_positions, kv_heads, k_dim}, options_));
    cache.v_spgv.push_back(at::zeros({num_slots, max_positions, kv_heads, v_dim}, options_));
  }
  return cache;
}

void Transformer::ResetExpertLoad() { expert_load_le_.zero_(); }

void Transformer::UpdateRoutingBias(const at::Tensor& global_load_le, double speed) {
  TORCH_CHECK(global_load_le.sizes() == expert_load_le_.sizes() &&
                  global_load_le.scalar_type() == at::kLong,
              "UpdateRoutingBias: found load ", global_load_le.sizes(), " of type ",
              global_load_le.scalar_type(), ", expected int64 ", expert_load_le_.sizes());
  const at::Tensor missing_le =
      at::sum(global_load_le, 1, /*keepdim=*/true) - global_load_le * global_load_le.size(1);
  for (size_t layer = 0; layer < buffers_.size(); ++layer) {
    at::Tensor& bias_e = buffers_[layer].value;
    bias_e.add_(at::sign(missing_le[static_cast<int64_t>(layer)]).to(bias_e.scalar_type()), speed);
  }
}

}  // namespace deduce
