#include "trainer/forecast/memory.h"

#include <algorithm>
#include <bit>

#include "absl/strings/str_format.h"
#include "parallel/pipeline/peak_memory.h"
#include "trainer/model/attention_gqa.h"

namespace deduce {
namespace {

double AttentionBytes(const PlanConfig& plan, const ModelConfig& c) {
  const double d = static_cast<double>(c.hidden_size());
  const double heads = static_cast<double>(c.num_attention_heads());
  const double each = plan.activation_bytes();
  if (c.attention() == ModelConfig::MLA) {
    const double rope = static_cast<double>(c.qk_rope_head_dim());
    const double key = static_cast<double>(c.qk_nope_head_dim()) + rope;
    const double value = static_cast<double>(c.v_head_dim());
    const double latents = static_cast<double>(c.q_lora_rank() + c.kv_lora_rank());
    if (plan.activations() == PlanConfig::deepseek_v3) {
      // Input of the layer; latents before their norms; input of the output projection in 12 bits;
      // a float for each head's softmax.
      return 2 * d + 2 * (latents + rope) + 1.5 * heads * value + 4 * heads;
    }
    // Norm's input and output; latents before and after theirs; queries before and after rotation,
    // keys, values, the up-projection's output; attention's output.
    return each * (2 * d + 2 * (latents + rope) + heads * (3 * key + (key - rope) + 3 * value));
  }
  const double width = static_cast<double>(GqaAttention::HeadDim(c));
  const double kv = static_cast<double>(GqaAttention::KvHeads(c)) * width;
  return each * (2 * d + 3 * heads * width + 3 * kv);
}

double FfnBytes(const PlanConfig& plan, const ModelConfig& c, bool routed) {
  const double d = static_cast<double>(c.hidden_size());
  const double each = plan.activation_bytes();
  const bool saves = plan.activations() == PlanConfig::deepseek_v3;
  if (!routed) {
    const double width = static_cast<double>(c.intermediate_size());
    // In fp8: the products' input, and SwiGLU's two inputs, whose product is computed again.
    return saves ? 2 * d + d + 2 * width : each * (2 * d + 3 * width);
  }
  const double chosen = static_cast<double>(c.moe().num_experts_per_tok());
  const double shared = static_cast<double>(c.moe().n_shared_experts());
  const double width = static_cast<double>(c.moe().moe_intermediate_size());
  const double experts = static_cast<double>(c.moe().n_routed_experts());
  if (saves) return 2 * d + (chosen + 1) * d + 2 * (chosen + shared) * width + 4 * experts;
  return each * (2 * d + 2 * chosen * d + 3 * (chosen + shared) * width + experts);
}

// Partial sums of exact mode's tree for m micro-batches of a replica.
int64_t TreeSums(int64_t m) {
  return 1 + std::bit_width(static_cast<uint64_t>(std::max<int64_t>(1, m) - 1));
}

// Sums of gradients that are alive at once: as many as the config says, or those of the tree.
int64_t GradientSums(const PlanConfig& settings, const Schedule& schedule) {
  if (settings.gradient_sums() > 0) return settings.gradient_sums();
  return TreeSums(schedule.num_micro_batches / static_cast<int64_t>(schedule.paths.size()));
}

// Bytes that a token of a micro-batch leaves on this rank between its forward and its backward.
double KeptBytes(const RunConfig& config, const Layout& layout, const ModelPart& part) {
  const bool selective = config.layout().recompute() == LayoutConfig::selective;
  double bytes = ActivationBytes(config, part) / layout.num_parts();
  if (layout.context_parallel > 1 && layout.gathers_keys && !selective) {
    bytes += KeyBytes(config) * static_cast<double>(AttentionLayers(config.model(), part)) /
             layout.tensor_parallel;
  }
  if (layout.tensor_parallel == 1) return bytes;
  const TensorAxisBytes gathered = TensorAxisBytesOf(config, part);
  return bytes + (gathered.dense + (selective ? 0 : gathered.attention)) / layout.context_parallel;
}

// Bytes that attention has under way, in backward where there are most: the block of keys and
// values at hand and the next one, and the sum of a block's gradients that has come and the one
// that goes.
double BlocksUnderWay(const RunConfig& config, const Layout& layout, double micro_batch_tokens) {
  if (layout.context_parallel == 1 || layout.gathers_keys) return 0;
  return 4 * micro_batch_tokens / layout.num_parts() * KeyBytes(config);
}

}  // namespace

StageWeights WeightsOf(const PartSize& size, const Layout& layout, double copies) {
  StageWeights weights{.dense = static_cast<double>(size.total() - size.experts - size.split),
                       .pieces = static_cast<double>(size.split) / layout.tensor_parallel,
                       .experts = static_cast<double>(size.experts) / layout.expert_parallel};
  weights.owned = weights.all();
  if (layout.zero_stage == 0) return weights;
  const double replicas = copies * layout.num_replicas(), shares = layout.num_parts();
  weights.owned = weights.dense / (replicas * shares) +
                  weights.pieces / (replicas * layout.context_parallel) +
                  weights.experts / (copies * layout.data_parallel * shares);
  return weights;
}

double ActivationBytes(const RunConfig& config, const ModelPart& part) {
  const ModelConfig& c = config.model();
  const PlanConfig& plan = config.plan();
  const double d = static_cast<double>(c.hidden_size());
  // With attention computed again, its input is left.
  const double attention = config.layout().recompute() == LayoutConfig::selective
                               ? plan.activation_bytes() * d
                               : AttentionBytes(plan, c);
  const auto layer = [&](int64_t index) {
    const bool routed = c.has_moe() && index >= c.moe().first_k_dense_replace();
    return attention + FfnBytes(plan, c, routed);
  };
  double bytes = 0;
  for (int64_t i = 0; i < part.num_layers; ++i) bytes += layer(part.first_layer + i);
  if (!part.last) return bytes;
  const double each = plan.activations() == PlanConfig::deepseek_v3 ? 2 : plan.activation_bytes();
  bytes += 2 * d * each;  // the last norm's input and output; the head keeps no logits
  if (c.num_nextn_predict_layers() > 0) bytes += layer(c.num_hidden_layers()) + 6 * d * each;
  return bytes;
}

double KeyBytes(const RunConfig& config) {
  const ModelConfig& c = config.model();
  const int64_t width =
      c.attention() == ModelConfig::MLA
          ? c.num_attention_heads() * (c.qk_nope_head_dim() + c.qk_rope_head_dim() + c.v_head_dim())
          : 2 * GqaAttention::KvHeads(c) * GqaAttention::HeadDim(c);
  return static_cast<double>(width) * config.plan().activation_bytes();
}

int64_t AttentionLayers(const ModelConfig& config, const ModelPart& part) {
  return part.num_layers + (part.last && config.num_nextn_predict_layers() > 0 ? 1 : 0);
}

TensorAxisBytes TensorAxisBytesOf(const RunConfig& config, const ModelPart& part) {
  const ModelConfig& c = config.model();
  const int64_t d = c.hidden_size();
  const bool mla = c.attention() == ModelConfig::MLA;
  const int64_t latents =
      (c.q_lora_rank() == 0 ? d : c.q_lora_rank()) + c.kv_lora_rank() + c.qk_rope_head_dim();
  const bool has_module = part.last && c.num_nextn_predict_layers() > 0;
  const int64_t layers = AttentionLayers(c, part);
  int64_t dense = has_module && !c.has_moe();
  for (int64_t i = part.first_layer; i < part.first_layer + part.num_layers; ++i)
    dense += !c.has_moe() || i < c.moe().first_k_dense_replace();
  const double each = config.plan().activation_bytes();
  return {.attention = each * static_cast<double>(layers * (mla ? latents : d)),
          .dense = each * static_cast<double>(dense * d),
          .summed = each * static_cast<double>((layers + dense) * d)};
}

std::vector<RankBytes> MemoryOf(const RunConfig& config, const Layout& layout, const Plan& plan,
                                const std::vector<ModelPart>& parts, double micro_batch_tokens) {
  const PlanConfig& settings = config.plan();
  const Schedule& schedule = plan.schedule;
  const double d = static_cast<double>(config.model().hidden_size());
  const double copies = static_cast<double>(schedule.paths.size());
  const bool again = config.layout().recompute() == LayoutConfig::full;
  // The share of all experts that a rank has copies of in slots.
  const double slots =
      layout.rebalance_every == 0
          ? 0
          : (1 + layout.redundant_experts /
                     static_cast<double>(config.model().moe().n_routed_experts())) /
                layout.expert_parallel;
  const int64_t sums = GradientSums(settings, schedule);
  const bool has_tree = !layout.reduces_each_micro_batch() && settings.gradient_sums() == 0;
  const double of_tree = has_tree ? 1 - 1 / static_cast<double>(sums) : 0;
  std::vector<RankBytes> ranks;
  for (int rank = 0; rank < schedule.num_ranks(); ++rank) {
    RankBytes bytes;
    int embeddings = 0;
    double transient = 0, micro_batch = 0;
    std::vector<double> chunk_bytes(schedule.num_chunks, 0), chunk_weights(schedule.num_chunks, 0);
    for (const std::vector<Place>& path : schedule.paths) {
      for (size_t stage = 0; stage < path.size(); ++stage) {
        if (path[stage].rank != rank) continue;
        PartSize size = SizeOfPart(config.model(), parts.at(stage));
        if (size.embedding > 0 && ++embeddings > 1 && settings.one_embedding_a_rank())
          size.embedding = 0;
        const StageWeights stage_weights = WeightsOf(size, layout, copies);
        const double in_slots = slots * static_cast<double>(size.experts);
        const double whole = settings.weight_bytes() * (stage_weights.all() + in_slots);
        bytes.whole_weights += whole;
        bytes.weights +=
            layout.shards_weights() ? settings.weight_bytes() * stage_weights.owned : whole;
        chunk_weights[path[stage].chunk] = whole;
        const double of_micro_batch =
            stage_weights.dense + stage_weights.pieces + std::max(stage_weights.experts, in_slots);
        const double summed = layout.reduces_each_micro_batch()
                                  ? stage_weights.owned
                                  : static_cast<double>(sums) * of_micro_batch;
        bytes.gradients += settings.gradient_bytes() * summed;
        micro_batch = std::max(micro_batch, settings.gradient_bytes() * of_micro_batch);
        bytes.optimizer += settings.optimizer_bytes() * stage_weights.owned;
        const double all = micro_batch_tokens * KeptBytes(config, layout, parts[stage]);
        chunk_bytes[path[stage].chunk] =
            again ? micro_batch_tokens / layout.num_parts() * d * settings.activation_bytes() : all;
        if (again) transient = std::max(transient, all);
      }
    }
    bytes.weights += PeakWeightBytes(plan.ranks[rank], chunk_weights);
    bytes.more_sums = bytes.gradients * of_tree;
    if (layout.reduces_each_micro_batch()) bytes.gradients += micro_batch;
    bytes.activations = PeakActivationBytes(plan.ranks[rank], chunk_bytes) + transient +
                        BlocksUnderWay(config, layout, micro_batch_tokens);
    ranks.push_back(bytes);
  }
  return ranks;
}

absl::Status CheckMemory(const std::vector<RankBytes>& ranks, const ClusterConfig& cluster) {
  if (!cluster.has_memory_gb()) return absl::OkStatus();
  for (size_t rank = 0; rank < ranks.size(); ++rank) {
    const RankBytes& bytes = ranks[rank];
    if (bytes.total() <= cluster.memory_gb() * 1e9) continue;
    return absl::InvalidArgumentError(absl::StrFormat(
        "plan: rank %d of the pipeline: found %.2f GB (weights %.2f, gradients %.2f, optimizer "
        "%.2f, activations %.2f), expected at most plan.cluster.memory_gb (%g)",
        static_cast<int>(rank), bytes.total() / 1e9, bytes.weights / 1e9, bytes.gradients / 1e9,
        bytes.optimizer / 1e9, bytes.activations / 1e9, cluster.memory_gb()));
  }
  return absl::OkStatus();
}

}  // namespace deduce
