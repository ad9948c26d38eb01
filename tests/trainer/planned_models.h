// Configs of models that are too large to make, for tests of what can be said about them.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "configs/config.h"
#include "configs/parse_text.h"

namespace deduce {

// A run config of the tree, configs/recipes/NAME.textproto, with defaults.
inline RunConfig TreeConfig(const std::string& name, const std::vector<std::string>& sets = {}) {
  const absl::StatusOr<RunConfig> config =
      LoadConfig(DEDUCE_SOURCE_DIR "/configs/recipes/" + name + ".textproto", sets);
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? WithDefaults(*config) : RunConfig();
}

// DeepSeek-V2-Lite (arXiv 2405.04434, appendix B).
inline ModelConfig DeepSeekV2Lite() {
  const absl::StatusOr<RunConfig> config = ParseConfigText(R"pb(
                                                             model {
                                                               attention: MLA
                                                               vocab_size: 102400
                                                               hidden_size: 2048
                                                               intermediate_size: 10944
                                                               num_hidden_layers: 27
                                                               num_attention_heads: 16
                                                               kv_lora_rank: 512
                                                               qk_nope_head_dim: 128
                                                               qk_rope_head_dim: 64
                                                               v_head_dim: 128
                                                               moe {
                                                                 n_routed_experts: 64
                                                                 n_shared_experts: 2
                                                                 num_experts_per_tok: 6
                                                                 moe_intermediate_size: 1408
                                                               }
                                                             })pb",
                                                           "DeepSeekV2Lite");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? config->model() : ModelConfig();
}

}  // namespace deduce
