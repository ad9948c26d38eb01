// Models with a layer for each stage of the longest pipeline here, and layouts by their text.
#pragma once

#include <google/protobuf/text_format.h>

#include <string>

#include "tests/trainer/tiny_training.h"

namespace deduce {

inline LayoutConfig LayoutOf(const std::string& text) {
  LayoutConfig config;
  TORCH_CHECK(google::protobuf::TextFormat::ParseFromString(text, &config), text);
  return config;
}

// Latent attention, experts, prediction module.
inline ModelConfig DeepRoutedModel() {
  ModelConfig config = TinyTrainingModel();
  config.set_num_hidden_layers(8);
  config.mutable_moe()->set_first_k_dense_replace(1);
  return config;
}

// Grouped-query attention with biases, and a tied head.
inline ModelConfig DeepTiedModel() {
  ModelConfig config;
  config.set_attention(ModelConfig::GQA);
  config.set_vocab_size(64);
  config.set_hidden_size(24);
  config.set_intermediate_size(40);
  config.set_num_hidden_layers(8);
  config.set_num_attention_heads(3);
  config.set_num_key_value_heads(1);
  config.set_max_position_embeddings(96);
  config.set_initializer_range(0.1);
  config.set_qkv_bias(true);
  config.set_tie_word_embeddings(true);
  return config;
}

}  // namespace deduce
