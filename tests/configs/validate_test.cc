#include "configs/validate.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "configs/config.h"
#include "configs/parse_text.h"

namespace deduce {
namespace {

constexpr char kRun[] = R"(
  name: "tiny" tokenizer: "t.json"
  model {
    attention: MLA vocab_size: 64 hidden_size: 48 intermediate_size: 96 num_hidden_layers: 3 num_attention_heads: 4
    max_position_embeddings: 256 kv_lora_rank: 16 qk_nope_head_dim: 8 qk_rope_head_dim: 4 v_head_dim: 8
    moe { n_routed_experts: 8 num_experts_per_tok: 2 moe_intermediate_size: 32 n_group: 2 topk_group: 1 }
  }
  stage { name: "base" pretrain { } steps: 10 data { task { name: "chain_sum" } } }
  stage { name: "rl" steps: 5 data { task { name: "chain_sum" } } evaluate { }
          grpo { reward { verifier: "accuracy" } } }
)";

constexpr char kGqa[] = R"(
  name: "tiny" tokenizer: "t.json"
  model { vocab_size: 64 hidden_size: 48 intermediate_size: 96 num_hidden_layers: 3 num_attention_heads: 4 }
  stage { name: "base" sft { } steps: 10 data { path: "d.jsonl" } }
)";

RunConfig Parse(const std::string& text) {
  const auto config = ParseConfigText(text, "test");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : RunConfig();
}

// `base` with `from` replaced by `to`.
std::string Changed(const std::string& base, const std::string& from, const std::string& to) {
  const size_t at = base.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? base : std::string(base).replace(at, from.size(), to);
}

struct Case {
  const char* from;  // text of the run that is replaced
  const char* to;
  const char* error;
};

void ExpectErrors(const char* base, const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    const absl::Status status = Validate(Parse(Changed(base, c.from, c.to)));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.to;
    EXPECT_EQ(status.message(), c.error);
  }
}

TEST(ValidateTest, TheBestCheckpointIsAmongThoseThatAreEvaluated) {
  const auto error = [](const std::string& checkpoint, const std::string& evaluate) {
    return std::string(
        Validate(Parse(Changed(kRun, "evaluate { }", evaluate) + "checkpoint {" + checkpoint + "}"))
            .message());
  };
  const std::string metric = "best_metric: \"eval/loss\" every_steps: 4";
  EXPECT_EQ(error(metric, "evaluate { every_steps: 2 }"), "");
  EXPECT_EQ(error(metric, "evaluate { every_steps: 3 }"),
            "stage[1].evaluate.every_steps: found 3, expected a divisor of checkpoint.every_steps "
            "(4), so that every checkpoint has checkpoint.best_metric");
  EXPECT_EQ(error(metric, "evaluate { }"),
            "stage[1].evaluate.every_steps: found 0, expected a divisor of checkpoint.every_steps "
            "(4), so that every checkpoint has checkpoint.best_metric");
  EXPECT_EQ(error("best_metric: \"eval/loss\" every_steps: 0", "evaluate { }"), "");
  EXPECT_EQ(error(metric, ""),
            "checkpoint.best_metric: found \"eval/loss\", expected a stage with evaluate");
  EXPECT_EQ(error("best_metric: \"reward\" every_steps: 4", "evaluate { every_steps: 3 }"), "");
}

TEST(ValidateTest, SoundRunsPassWithAndWithoutDefaultsWrittenOut) {
  for (const char* text : {kRun, kGqa}) {
    EXPECT_EQ(Validate(Parse(text)), absl::OkStatus());
    EXPECT_EQ(Validate(WithDefaults(Parse(text))), absl::OkStatus());
  }
}

TEST(ValidateTest, RunAndModelRules) {
  ExpectErrors(
      kRun,
      {{"name: \"tiny\"", "", "name: found nothing, expected a value"},
       {"name: \"tiny\"", "name: \"\"", "name: found \"\", expected a value"},
       {"name: \"tiny\"", "name: \"a\\nb\"", "name: found a control character, expected text"},
       {"tokenizer: \"t.json\"", "", "tokenizer: found nothing, expected a value"},
       {"hidden_size: 48", "", "model.hidden_size: found nothing, expected a value"},
       {"hidden_size: 48", "hidden_size: 0",
        "model.hidden_size: found 0, expected a number in [1, 16777216]"},
       {"vocab_size: 64", "vocab_size: -3",
        "model.vocab_size: found -3, expected a number in [1, 16777216]"},
       {"num_hidden_layers: 3", "num_hidden_layers: 9000000000000000000",
        "model.num_hidden_layers: found 9000000000000000000, expected a number in [1, 10000]"},
       {"v_head_dim: 8", "",
        "model.v_head_dim: found nothing, expected a value with attention MLA"},
       {"kv_lora_rank: 16", "",
        "model.kv_lora_rank: found nothing, expected a value with attention MLA"},
       {"qk_rope_head_dim: 4", "qk_rope_head_dim: 5",
        "model.qk_rope_head_dim: found 5, expected an even number"},
       {"attention: MLA", "attention: MLA head_dim: 8",
        "model.head_dim: found a value, expected none with attention MLA"},
       {"attention: MLA", "attention: GQA",
        "model.kv_lora_rank: found a value, expected none with attention GQA"},
       {"attention: MLA", "attention: MLA num_key_value_heads: 2",
        "model.num_key_value_heads: found 2, expected none, or model.num_attention_heads (4), with "
        "attention MLA"},
       {"attention: MLA", "attention: MLA num_nextn_predict_layers: 2",
        "model.num_nextn_predict_layers: found 2, expected a number in [0, 1]"},
       {"attention: MLA", "attention: MLA rms_norm_eps: 0",
        "model.rms_norm_eps: found 0, expected a number above 0"},
       {"attention: MLA", "attention: MLA rope { theta: inf }",
        "model.rope.theta: found inf, expected a number above 0"},
       {"attention: MLA", "attention: MLA rope { yarn { factor: 0.5 } }",
        "model.rope.yarn.factor: found 0.5, expected at least 1"},
       {"attention: MLA", "attention: MLA rope { yarn { beta_slow: 32 } }",
        "model.rope.yarn.beta_slow: found 32, expected less than model.rope.yarn.beta_fast (32)"},
       {"attention: MLA", "attention: MLA rope { llama3 { low_freq_factor: 4 } }",
        "model.rope.llama3.low_freq_factor: found 4, expected less than "
        "model.rope.llama3.high_freq_factor (4)"},
       {"attention: MLA", "attention: MLA qk_norm: true",
        "model.qk_norm: found true, expected false with attention MLA"},
       {"n_group: 2", "n_group: 2 topk_method: greedy",
        "model.moe.n_group: found 2, expected 1 with topk_method greedy"},
       {"n_routed_experts: 8", "", "model.moe.n_routed_experts: found nothing, expected a value"},
       {"n_routed_experts: 8", "n_routed_experts: 9",
        "model.moe.n_routed_experts: found 9, expected a multiple of model.moe.n_group (2)"},
       {"topk_group: 1", "topk_group: 3",
        "model.moe.topk_group: found 3, expected at most model.moe.n_group (2)"},
       {"num_experts_per_tok: 2", "num_experts_per_tok: 5",
        "model.moe.num_experts_per_tok: found 5, expected at most the 4 experts of "
        "model.moe.topk_group groups"},
       {"topk_group: 1", "topk_group: 1 first_k_dense_replace: 3",
        "model.moe.first_k_dense_replace: found 3, expected less than model.num_hidden_layers "
        "(3)"}});
}

TEST(ValidateTest, GqaRules) {
  ExpectErrors(
      kGqa,
      {{"num_attention_heads: 4", "num_attention_heads: 5",
        "model.hidden_size: found 48, expected a multiple of model.num_attention_heads (5), or a "
        "value for model.head_dim"},
       {"num_attention_heads: 4", "num_attention_heads: 4 num_key_value_heads: 3",
        "model.num_key_value_heads: found 3, expected a divisor of model.num_attention_heads (4)"},
       {"num_attention_heads: 4", "num_attention_heads: 4 head_dim: 7",
        "model.head_dim: found 7, expected an even number, which rotary positions need"},
       {"num_attention_heads: 4", "num_attention_heads: 4 q_lora_rank: 8",
        "model.q_lora_rank: found a value, expected none with attention GQA"}});
}

TEST(ValidateTest, TheTensorAxisDividesWhatItSplits) {
  ExpectErrors(
      kGqa,
      {{"num_attention_heads: 4 }", "num_attention_heads: 4 } layout { tensor_parallel: 3 }",
        "layout.tensor_parallel: found 3, expected a divisor of model.num_attention_heads (4)"},
       {"num_attention_heads: 4 }",
        "num_attention_heads: 4 num_key_value_heads: 2 } layout { tensor_parallel: 4 }",
        "layout.tensor_parallel: found 4, expected a divisor of model.num_key_value_heads (2)"},
       {"intermediate_size: 96 num_hidden_layers: 3 num_attention_heads: 4 }",
        "intermediate_size: 98 num_hidden_layers: 3 num_attention_heads: 4 } layout { "
        "tensor_parallel: 4 }",
        "layout.tensor_parallel: found 4, expected a divisor of model.intermediate_size (98)"}});
}

TEST(ValidateTest, ATensorAxisMayHaveAnyDivisor) {
  const char* heads = "num_attention_heads: 4 }";
  for (const char* ranks : {"2", "4"}) {
    const std::string layout = std::string(heads) + " layout { tensor_parallel: " + ranks + " }";
    EXPECT_EQ(Validate(Parse(Changed(kGqa, heads, layout))), absl::OkStatus());
  }
  // Of a model whose layers are all routed the width splits nothing.
  const std::string odd = Changed(Changed(kRun, "intermediate_size: 96", "intermediate_size: 97"),
                                  "topk_group: 1", "topk_group: 1 first_k_dense_replace: 0");
  EXPECT_EQ(
      Validate(Parse(Changed(odd, "name: \"tiny\"", "name: \"t\" layout { tensor_parallel: 2 }"))),
      absl::OkStatus());
}

TEST(ValidateTest, LayoutAndCheckpointRules) {
  const char* name = "name: \"tiny\"";
  ExpectErrors(
      kRun,
      {{name, "name: \"t\" layout { virtual_stages: -1 }",
        "layout.virtual_stages: found -1, expected a number in [0, 1024]"},
       {name, "name: \"t\" layout { tensor_parallel: 0 }",
        "layout.tensor_parallel: found 0, expected a number in [1, 1048576]"},
       {name, "name: \"t\" layout { context_parallel: 0 }",
        "layout.context_parallel: found 0, expected a number in [1, 1048576]"},
       {name, "name: \"t\" layout { expert_parallel: 3 }",
        "layout.expert_parallel: found 3, expected a divisor of model.moe.n_routed_experts (8)"},
       {name, "name: \"t\" layout { data_parallel: -1 }",
        "layout.data_parallel: found -1, expected a number in [0, 1048576]"},
       {name, "name: \"t\" layout { rebalance_every: 2 }",
        "layout.rebalance_every: found 2, expected 0 with expert_parallel 1: all experts are on "
        "one rank"},
       {name, "name: \"t\" layout { expert_parallel: 2 redundant_experts: 2 }",
        "layout.redundant_experts: found 2, expected 0 without rebalance_every, which says when "
        "they are placed"},
       {name, "name: \"t\" layout { expert_parallel: 2 rebalance_every: 1 redundant_experts: 10 }",
        "layout.redundant_experts: found 10, expected at most a copy of each of the 8 experts on "
        "each of the 2 ranks"},
       {name, "name: \"t\" layout { expert_parallel: 2 rebalance_every: 1 redundant_experts: 3 }",
        "layout.redundant_experts: found 3, expected a number that makes the 8 experts of "
        "model.moe a multiple of expert_parallel (2)"},
       {name, "name: \"t\" layout { expert_parallel: 4 expert_nodes: 3 }",
        "layout.expert_nodes: found 3, expected a divisor of expert_parallel (4)"},
       {name, "name: \"t\" layout { zero_stage: 4 }",
        "layout.zero_stage: found 4, expected a number in [0, 3]"},
       {name, "name: \"t\" layout { hang_seconds: -1 }",
        "layout.hang_seconds: found -1, expected a number in [0, 1000000000]"},
       {name, "name: \"t\" checkpoint { keep_last: 0 }",
        "checkpoint.keep_last: found 0, expected at least 1"}});
  ExpectErrors(kGqa, {{name, "name: \"t\" layout { expert_parallel: 2 }",
                       "layout.expert_parallel: found 2, expected 1 for a model without moe"}});
}

TEST(ValidateTest, StageRules) {
  ExpectErrors(
      kRun,
      {{"name: \"rl\"", "", "stage[1].name: found nothing, expected a value"},
       {"name: \"rl\"", "name: \"base\"",
        "stage[1].name: found \"base\" again, expected a name of its own"},
       {"name: \"rl\"", "name: \"r/l\"",
        "stage[1].name: found \"r/l\", expected letters, digits, '_' and '-'"},
       {"name: \"rl\"", "name: \"rl\" init_from: \"rl\"",
        "stage[1].init_from: found \"rl\", expected the name of an earlier stage, "
        "RUN_DIR#STAGE, or a path with a '/'"},
       {"name: \"rl\"", "name: \"rl\" init_from: \"bass\"",
        "stage[1].init_from: found \"bass\", expected the name of an earlier stage, "
        "RUN_DIR#STAGE, or a path with a '/'"},
       {"name: \"rl\"", "name: \"rl\" init_from: \"#base\"",
        "stage[1].init_from: found \"#base\", expected RUN_DIR#STAGE or "
        "RUN_DIR#STAGE/STEP"},
       {"name: \"rl\"", "name: \"rl\" init_from: \"runs/a#\"",
        "stage[1].init_from: found \"runs/a#\", expected RUN_DIR#STAGE or "
        "RUN_DIR#STAGE/STEP"},
       {"name: \"rl\"", "name: \"rl\" init_from: \"runs/a#base/4/5\"",
        "stage[1].init_from: found \"runs/a#base/4/5\", expected RUN_DIR#STAGE or "
        "RUN_DIR#STAGE/STEP"},
       {"pretrain { }", "",
        "stage[0]: found no kind of work, expected one of pretrain, sft, distill, grpo"},
       {"steps: 10", "", "stage[0].steps: found nothing, expected a value"},
       {"steps: 10", "steps: 0", "stage[0].steps: found 0, expected a number in [1, 4294967295]"},
       {"data { task { name: \"chain_sum\" } }", "",
        "stage[0].data: found nothing, expected a value"},
       {"data { task { name: \"chain_sum\" } }", "data { }",
        "stage[0].data: found neither path nor task, expected one of them"},
       {"data { task", "data { prompt_template: \"1+1\" task",
        "stage[0].data.prompt_template: found no {prompt}, expected one"},
       {"data { task", "data { prompt_template: \"{prompt}{prompt}\" task",
        "stage[0].data.prompt_template: found more than one {prompt}, expected one"},
       {"pretrain { }", "distill { }", "stage[0].distill.teacher: found nothing, expected a value"},
       {"steps: 10", "steps: 10 micro_batch_tokens: 255",
        "stage[0].micro_batch_tokens: found 255, expected at least the longest sequence the "
        "stage allows (256 tokens)"},
       {"evaluate { }", "evaluate { temperature: 1e-300 }",
        "stage[1].evaluate.temperature: found 1e-300, expected 0 or a number in [1e-06, 1000000]"},
       {"evaluate { }", "evaluate { max_completion_length: 256 }",
        "stage[1].evaluate.max_completion_length: found 256, expected less than "
        "model.max_position_embeddings (256)"}});
  EXPECT_EQ(
      Validate(Parse(std::string(kRun).substr(0, std::string(kRun).find("stage {")))).message(),
      "stage: found nothing, expected at least one stage");
}

TEST(ValidateTest, TextForModelsMayHaveLines) {
  const absl::Status status = Validate(Parse(Changed(
      kRun, "data { task", "data { prompt_template: \"a\\n{prompt}\\n\" stop: \"\\n\" task")));
  EXPECT_TRUE(status.ok()) << status;
}

TEST(ValidateTest, OptimizerRules) {
  const char* steps = "steps: 10";
  ExpectErrors(
      kRun, {{steps, "steps: 10 optimizer { learning_rate: -1 }",
              "stage[0].optimizer.learning_rate: found -1, expected at least 0"},
             {steps, "steps: 10 optimizer { learning_rate: nan }",
              "stage[0].optimizer.learning_rate: found nan, expected at least 0"},
             {steps, "steps: 10 optimizer { beta1: 1 }",
              "stage[0].optimizer.beta1: found 1, expected a number in [0, 1)"},
             {steps, "steps: 10 optimizer { beta2: -0.1 }",
              "stage[0].optimizer.beta2: found -0.1, expected a number in [0, 1)"},
             {steps, "steps: 10 optimizer { warmup_steps: 11 }",
              "stage[0].optimizer.warmup_steps: found 11, expected at most the stage's steps (10)"},
             {steps, "steps: 10 optimizer { learning_rate: 1e-5 min_learning_rate: 1e-4 }",
              "stage[0].optimizer.min_learning_rate: found 0.0001, expected at most "
              "stage[0].optimizer.learning_rate (1e-05)"},
             {steps, "steps: 10 optimizer { schedule: deepseek_v3 constant_share: 1 }",
              "stage[0].optimizer.constant_share: found shares that add up to 1.31304, expected at "
              "most 1 with "
              "cosine_share and first_tail_share"}});
}

TEST(ValidateTest, GrpoRules) {
  const char* grpo = "grpo { ";
  ExpectErrors(
      kRun,
      {{grpo, "grpo { num_generations: 1 ",
        "stage[1].grpo.num_generations: found 1, expected a number in [2, 1048576]"},
       {grpo, "grpo { num_mini_batches: 3 ",
        "stage[1].grpo.num_mini_batches: found 3, expected a divisor of prompts_per_step * "
        "num_generations (512)"},
       {grpo, "grpo { num_iterations: 0 ",
        "stage[1].grpo.num_iterations: found 0, expected a number in [1, 1048576]"},
       {grpo, "grpo { epsilon_high: 0.1 ",
        "stage[1].grpo.epsilon_high: found 0.1, expected at least stage[1].grpo.epsilon (0.2)"},
       {grpo, "grpo { temperature: 0 ",
        "stage[1].grpo.temperature: found 0, expected a number in [1e-06, 1000000]"},
       {grpo, "grpo { temperature: 1e-300 ",
        "stage[1].grpo.temperature: found 1e-300, expected a number in [1e-06, 1000000]"},
       {grpo, "grpo { top_p: 0 ", "stage[1].grpo.top_p: found 0, expected a number in (0, 1]"},
       {grpo, "grpo { beta: -1 ", "stage[1].grpo.beta: found -1, expected at least 0"},
       {grpo, "grpo { max_prompt_length: 200 ",
        "stage[1].grpo.max_completion_length: found 128, expected at most "
        "model.max_position_embeddings (256) with "
        "max_prompt_length (200)"},
       {"\"accuracy\"", "\"accuracy\" weight: nan",
        "stage[1].grpo.reward[0].weight: found nan, expected a finite number"},
       {"steps: 5", "steps: 5 micro_batch_tokens: 191",
        "stage[1].micro_batch_tokens: found 191, expected at least the longest sequence the "
        "stage allows (192 tokens)"}});
}

TEST(ValidateTest, EvaluationOfAStageOnAFileNeedsAFileOrATask) {
  ExpectErrors(kGqa, {{"steps: 10", "steps: 10 evaluate { }",
                       "stage[0].evaluate.path: found nothing, expected a held-out file, or a "
                       "task: a file has no held-out problems of its own"},
                      {"steps: 10", "steps: 10 evaluate { path: \"\" }",
                       "stage[0].evaluate.path: found \"\", expected a value"},
                      {"steps: 10", "steps: 10 evaluate { path: \"h\" task { name: \"t\" } }",
                       "stage[0].evaluate.task: found a value, expected none beside path"}});
  for (const char* evaluate : {"path: \"h.jsonl\"", "task { name: \"t\" }"}) {
    const std::string text = std::string("steps: 10 evaluate { ") + evaluate + " }";
    EXPECT_EQ(Validate(Parse(Changed(kGqa, "steps: 10", text))), absl::OkStatus());
  }
}

TEST(ValidateTest, WhatIsSaidOfRowsIsForFiles) {
  const char* task = "data { task";
  ExpectErrors(
      kRun,
      {{task, "data { verifier: \"math\" task",
        "stage[0].data.verifier: found a value, expected none for a task, whose problems have "
        "theirs"},
       {task, "data { system: \"s\" task",
        "stage[0].data.system: found a value, expected none for a task without chat: true, which "
        "has the chat template write its prompts"},
       {task, "data { drop_too_long: true task",
        "stage[0].data.drop_too_long: found a value, expected none for a task, which has no rows"},
       {task, "data { drop_bad_rows: true task",
        "stage[0].data.drop_bad_rows: found a value, expected none for a task, which has no "
        "rows"}});
  EXPECT_EQ(Validate(Parse(Changed(kGqa, "data { path",
                                   "data { verifier: \"math\" system: \"s\" drop_too_long: true "
                                   "drop_bad_rows: true path"))),
            absl::OkStatus());
}

TEST(ValidateTest, TurnsAreChosenWhereNotAllTokensHaveALoss) {
  ExpectErrors(kRun, {{"pretrain { }", "pretrain { assistant_only_loss: true }",
                       "stage[0].pretrain.assistant_only_loss: found a value, expected none "
                       "without completion_only_loss, where all tokens have a loss"}});
  EXPECT_EQ(Validate(Parse(Changed(kGqa, "sft { }", "sft { assistant_only_loss: true }"))),
            absl::OkStatus());
}

TEST(ValidateTest, SamplesOfAStepFitTheirCounter) {
  ExpectErrors(
      kRun, {{"grpo { ", "grpo { prompts_per_step: 65536 num_generations: 65536 ",
              "stage[1].grpo.prompts_per_step: found 65536, expected less than 2^32 samples with "
              "num_generations (65536)"}});
}

TEST(ValidateTest, ModelAloneIsNamedByItsPath) {
  EXPECT_EQ(ValidateModel(Parse(kRun).model()), absl::OkStatus());
  EXPECT_EQ(ValidateModel(ModelConfig()).message(),
            "model.vocab_size: found nothing, expected a value");
}

constexpr char kPlan[] = R"(
  name: "tiny" tokenizer: "t.json"
  model { vocab_size: 64 hidden_size: 48 intermediate_size: 96 num_hidden_layers: 3 num_attention_heads: 4 }
  stage { name: "base" pretrain { } steps: 10 data { path: "d.jsonl" } }
  stage { name: "rl" steps: 5 data { task { name: "chain_sum" } } grpo { reward { verifier: "accuracy" } } }
  plan {
    cluster { name: "h800" }
    sequence_length: 4096
    calibration { micro_batches: 8 sequence_length: 4096 forward_seconds: 1 backward_seconds: 2 }
    rollout { stage: "rl" mean_completion_tokens: 100 sequence_tokens_per_second: 20 rank_tokens_per_second: 500 }
  }
)";

TEST(ValidateTest, PlansAreCheckedFieldByField) {
  EXPECT_EQ(Validate(Parse(kPlan)), absl::OkStatus());
  EXPECT_EQ(Validate(WithDefaults(Parse(kPlan))), absl::OkStatus());
  ExpectErrors(
      kPlan,
      {
          {"\"h800\"", "\"abacus\"",
           "plan.cluster.name: found \"abacus\", expected one of cpu, h800, h100"},
          {"name: \"h800\"", "memory_gb: 0",
           "plan.cluster.memory_gb: found 0, expected a number in [1e-09, 1000000000]"},
          {"name: \"h800\"", "efficiency: 1.5",
           "plan.cluster.efficiency: found 1.5, expected a number in (0, 1]"},
          {"sequence_length: 4096\n", "sequence_length: 0\n",
           "plan.sequence_length: found 0, expected a number in [1, 16777216]"},
          {"sequence_length: 4096\n", "weight_bytes: -1\n",
           "plan.weight_bytes: found -1, expected a number in [0, 64]"},
          {"micro_batches: 8", "",
           "plan.calibration.micro_batches: found nothing, expected a value"},
          {"forward_seconds: 1", "forward_seconds: 0",
           "plan.calibration.forward_seconds: found 0, expected a number in [1e-09, 1000000000]"},
          {"backward_seconds: 2", "",
           "plan.calibration.backward_seconds: found nothing, expected a value"},
          {"micro_batches: 8", "micro_batches: 8 rank: 1",
           "plan.calibration.rank: found 1, expected less than layout.pipeline_parallel (1)"},
          {"mean_completion_tokens: 100", "",
           "plan.rollout[0].mean_completion_tokens: found nothing, expected a value"},
          {"stage: \"rl\"", "stage: \"base\"",
           "plan.rollout[0].stage: found \"base\", expected the name of a grpo stage"},
          {"rollout {",
           "rollout { stage: \"rl\" mean_completion_tokens: 1 sequence_tokens_per_second: 1 "
           "rank_tokens_per_second: 1 } rollout {",
           "plan.rollout[1].stage: found \"rl\" again, expected each once"},
          {"stage { name: \"rl\"",
           "stage { name: \"more\" steps: 5 data { task { name: \"chain_sum\" } } "
           "grpo { reward { verifier: \"accuracy\" } } } stage { name: \"rl\"",
           "plan.rollout: found none for stage \"more\", expected one for each grpo stage, or "
           "none at all"},
      });
}

}  // namespace
}  // namespace deduce
