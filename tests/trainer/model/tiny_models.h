// Models and packed batches small enough to check by hand, shared by the tests of this folder.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/records/batch.h"
#include "kernels/random.h"
#include "trainer/model/transformer.h"

namespace deduce {

inline ModelConfig ParseModel(const std::string& text) {
  ModelConfig config;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &config));
  return config;
}

inline ModelConfig TinyDenseModel() {
  return ParseModel(R"pb(
    attention: GQA
    vocab_size: 37
    hidden_size: 24
    intermediate_size: 40
    num_hidden_layers: 2
    num_attention_heads: 4
    num_key_value_heads: 2
    head_dim: 8
    max_position_embeddings: 64
    initializer_range: 0.2)pb");
}

// Every part of the DeepSeek-V3 shape: MLA with compressed queries and YaRN, one dense and two
// routed layers with groups, a prediction module.
inline ModelConfig TinyRoutedModel() {
  return ParseModel(R"pb(
    attention: MLA
    vocab_size: 37
    hidden_size: 24
    intermediate_size: 40
    num_hidden_layers: 3
    num_attention_heads: 2
    max_position_embeddings: 64
    initializer_range: 0.2
    q_lora_rank: 12
    kv_lora_rank: 10
    qk_nope_head_dim: 6
    qk_rope_head_dim: 4
    v_head_dim: 7
    rope { yarn { factor: 4 original_max_position_embeddings: 16 mscale: 1 mscale_all_dim: 0.8 } }
    moe {
      n_routed_experts: 8
      n_shared_experts: 2
      num_experts_per_tok: 3
      moe_intermediate_size: 16
      first_k_dense_replace: 1
      n_group: 4
      topk_group: 2
      routed_scaling_factor: 2.5
    }
    num_nextn_predict_layers: 1)pb");
}

// What other families have: biases, norms of heads, Llama 3's frequencies, softmax routing by
// groups without a bias.
inline ModelConfig TinyVariedModel() {
  return ParseModel(R"pb(
    attention: GQA
    vocab_size: 37
    hidden_size: 24
    intermediate_size: 40
    num_hidden_layers: 2
    num_attention_heads: 3
    num_key_value_heads: 1
    head_dim: 8
    max_position_embeddings: 64
    initializer_range: 0.2
    tie_word_embeddings: true
    qkv_bias: true
    o_bias: true
    mlp_bias: true
    qk_norm: true
    rope { llama3 { factor: 4 original_max_position_embeddings: 32 } }
    moe {
      n_routed_experts: 8
      n_shared_experts: 1
      num_experts_per_tok: 3
      moe_intermediate_size: 12
      first_k_dense_replace: 1
      n_group: 4
      topk_group: 2
      scoring_func: softmax
      topk_method: group_limited_greedy
    })pb");
}

inline at::Tensor NormalTensor(at::IntArrayRef sizes, uint64_t seed) {
  at::Tensor out = at::empty(sizes, at::kFloat);
  FillNormal(RandomStream(seed, "test"), 0, 1.0, out);
  return out;
}

// Norm weights off 1 and biases off 0, so that a forgotten one shows.
inline void MoveOffDefaults(Transformer& model) {
  const at::NoGradGuard no_grad;
  for (Parameter& parameter : model.parameters()) {
    if (!parameter.decay) parameter.value.add_(NormalTensor(parameter.value.sizes(), 3), 0.2);
  }
  for (Transformer::Buffer& buffer : model.buffers()) {
    buffer.value.copy_(NormalTensor(buffer.value.sizes(), 5) * 0.05);
  }
}

inline std::unique_ptr<Transformer> MakeModel(const ModelConfig& config, Communicator& group) {
  std::unique_ptr<Transformer> model = Transformer::Create(config, 7, group);
  MoveOffDefaults(*model);
  return model;
}

using Sequences = std::vector<std::vector<int64_t>>;

inline Sequences RandomSequences(const std::vector<int64_t>& lengths, int64_t vocabulary,
                                 uint64_t seed) {
  Sequences sequences;
  for (size_t s = 0; s < lengths.size(); ++s) {
    sequences.emplace_back();
    for (int64_t i = 0; i < lengths[s]; ++i) {
      sequences.back().push_back(
          static_cast<int64_t>(RandomInteger(RandomStream(seed, "sequences"), s, i, vocabulary)));
    }
  }
  return sequences;
}

inline PackedBatch Pack(const Sequences& sequences) {
  std::vector<int64_t> tokens, positions, targets;
  std::vector<float> weights;
  PackedBatch batch;
  batch.sequence_starts = {0};
  for (size_t s = 0; s < sequences.size(); ++s) {
    const std::vector<int64_t>& sequence = sequences[s];
    for (size_t i = 0; i < sequence.size(); ++i) {
      const bool last = i + 1 == sequence.size();
      tokens.push_back(sequence[i]);
      positions.push_back(static_cast<int64_t>(i));
      targets.push_back(last ? 0 : sequence[i + 1]);
      weights.push_back(last ? 0.0f : 1.0f);
    }
    batch.sequence_starts.push_back(static_cast<int64_t>(tokens.size()));
    batch.sample_ids.push_back(static_cast<int64_t>(s));
  }
  batch.tokens_x = at::tensor(tokens);
  batch.positions_x = at::tensor(positions);
  batch.targets_x = at::tensor(targets);
  batch.columns[Column::kWeight] = at::tensor(weights);
  return batch;
}

// A loss that touches every output with a different factor.
inline at::Tensor MixedLoss(const ForwardResult& result) {
  at::Tensor loss = (result.hidden_xd *
                     NormalTensor(result.hidden_xd.sizes(), 11).to(result.hidden_xd.scalar_type()))
                        .sum();
  if (result.mtp_hidden_xd.defined()) {
    const at::Tensor& mtp = result.mtp_hidden_xd;
    loss = loss + (mtp * NormalTensor(mtp.sizes(), 12).to(mtp.scalar_type())).sum();
  }
  for (const at::Tensor& balance : result.balance_losses) loss = loss + balance * 0.7;
  return loss;
}

}  // namespace deduce
