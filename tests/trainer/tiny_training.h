// A model in the DeepSeek-V3 shape and a supervised stage that are small enough to train in a test.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "configs/run.pb.h"
#include "data/text/tokenizer/tokenizer.h"
#include "parallel/rank_groups.h"
#include "trainer/step/learning_rate.h"
#include "trainer/step/rank_model.h"
#include "trainer/step/supervised.h"
#include "trainer/step/tensor_slices.h"
#include "trainer/step/train_step.h"

namespace deduce {

inline ModelConfig TinyTrainingModel() {
  ModelConfig config;
  config.set_attention(ModelConfig::MLA);
  config.set_vocab_size(64);
  config.set_hidden_size(24);
  config.set_intermediate_size(40);
  config.set_num_hidden_layers(2);
  config.set_num_attention_heads(2);
  config.set_max_position_embeddings(96);
  config.set_initializer_range(0.1);
  config.set_kv_lora_rank(8);
  config.set_qk_nope_head_dim(8);
  config.set_qk_rope_head_dim(4);
  config.set_v_head_dim(8);
  config.set_num_nextn_predict_layers(1);
  MoeConfig& moe = *config.mutable_moe();
  moe.set_n_routed_experts(8);
  moe.set_num_experts_per_tok(2);
  moe.set_moe_intermediate_size(16);
  moe.set_bias_update_speed(0.01);
  return config;
}

inline StageConfig TinyChunkTrainer() {
  StageConfig stage;
  stage.set_name("base");
  stage.set_steps(8);
  stage.mutable_optimizer()->set_learning_rate(3e-3);
  stage.mutable_pretrain()->set_samples_per_step(10);
  stage.set_micro_batch_tokens(96);
  stage.mutable_data()->mutable_task()->set_name("chain_sum");
  return stage;
}

// As a stage's loop gives them to the step.
inline StepOptions StepOptionsOf(const StageConfig& stage, int64_t step) {
  return {.learning_rate = LearningRate(stage.optimizer(), step, stage.steps()),
          .optimizer = stage.optimizer()};
}

inline std::shared_ptr<const Tokenizer> TinyTokenizer() {
  absl::StatusOr<Tokenizer> tokenizer =
      Tokenizer::Load(std::string(DEDUCE_SOURCE_DIR) + "/configs/recipes/tiny_tokenizer.json");
  TORCH_CHECK(tokenizer.ok(), tokenizer.status().ToString());
  return std::make_shared<const Tokenizer>(*std::move(tokenizer));
}

// One rank's model and training state.
struct TinyTraining {
  TinyTraining(Communicator& world, const LayoutConfig& config,
               const ModelConfig& model_config = TinyTrainingModel(),
               at::ScalarType type = at::kFloat, c10::Device device = c10::kCPU) {
    absl::StatusOr<Layout> layout = MakeLayout(config, world.size(), world.rank());
    TORCH_CHECK(layout.ok(), layout.status().ToString());
    layout->device = device;
    ranks = MakeRankGroups(world, *layout);
    model = std::make_unique<RankModel>(model_config, 5, ranks, config.zero_stage() > 0, type);
    state = std::make_unique<TrainState>(*model, config.recompute());
  }

  TinyTraining(Communicator& world, int expert_parallel, bool sharded)
      : TinyTraining(world, TinyLayout(expert_parallel, sharded)) {}

  static LayoutConfig TinyLayout(int expert_parallel, bool sharded) {
    LayoutConfig config;
    config.set_expert_parallel(expert_parallel);
    config.set_zero_stage(sharded ? 1 : 0);
    return config;
  }

  StepStats Step(const StageConfig& stage, int64_t step) {
    absl::StatusOr<Supervised> supervised =
        Supervised::Create(stage, 5, TinyTokenizer(), 96, "stage[0]");
    TORCH_CHECK(supervised.ok(), supervised.status().ToString());
    absl::StatusOr<StepStats> stats = supervised->Step(*state, step, StepOptionsOf(stage, step));
    TORCH_CHECK(stats.ok(), stats.status().ToString());
    return *stats;
  }

  std::string Hash() {
    absl::StatusOr<std::string> hash = HashOfWeights(*model);
    TORCH_CHECK(hash.ok(), hash.status().ToString());
    return *hash;
  }

  // The first chunk: everything, without a pipeline.
  ParameterStore& store() { return *model->chunks().front().store; }
  Transformer& transformer() { return *model->chunks().front().model; }

  RankGroups ranks;
  std::unique_ptr<RankModel> model;
  std::unique_ptr<TrainState> state;
};

}  // namespace deduce
