#include "configs/validate.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "configs/config.h"
#include "configs/field_rules.h"
#include "configs/parse_text.h"
#include "configs/status.h"

namespace deduce {
namespace {

// Rules read as a list: the first one that does not hold is the error.
struct Rule {
  bool holds;
  std::string path;
  std::string found;
  std::string expected;
};

absl::Status FirstBroken(const std::vector<Rule>& rules) {
  for (const Rule& rule : rules) {
    if (!rule.holds) return ConfigError(rule.path, rule.found, rule.expected);
  }
  return absl::OkStatus();
}

// `PATH: found VALUE, expected MORE` for a number.
Rule Number(bool holds, const std::string& path, int64_t value, const std::string& expected) {
  return {holds, path, absl::StrCat(value), expected};
}

Rule Present(bool has, const std::string& path, const std::string& expected = "a value") {
  return {has, path, "nothing", expected};
}

Rule Absent(bool has, const std::string& path, const std::string& expected) {
  return {!has, path, "a value", expected};
}

template <size_t N>
Rule OneOf(const std::string& value, const std::array<const char*, N>& names,
           const std::string& path) {
  const bool known = std::find(names.begin(), names.end(), value) != names.end();
  return {known, path, absl::StrCat("\"", value, "\""),
          absl::StrCat("one of ", absl::StrJoin(names, ", "))};
}

constexpr std::array kClusters = {"cpu", "h800", "h100"};

bool IsName(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '-';
  });
}

absl::Status CheckAttention(const ModelConfig& m) {
  const int64_t heads = m.num_attention_heads();
  if (m.attention() == ModelConfig::MLA) {
    return FirstBroken({
        Present(m.has_kv_lora_rank(), "model.kv_lora_rank", "a value with attention MLA"),
        Present(m.has_qk_nope_head_dim(), "model.qk_nope_head_dim", "a value with attention MLA"),
        Present(m.has_qk_rope_head_dim(), "model.qk_rope_head_dim", "a value with attention MLA"),
        Present(m.has_v_head_dim(), "model.v_head_dim", "a value with attention MLA"),
        Number(m.qk_rope_head_dim() % 2 == 0, "model.qk_rope_head_dim", m.qk_rope_head_dim(),
               "an even number"),
        Absent(m.has_head_dim(), "model.head_dim", "none with attention MLA"),
        {!m.qk_norm(), "model.qk_norm", "true", "false with attention MLA"},
        Number(
            !m.has_num_key_value_heads() || m.num_key_value_heads() == heads,
            "model.num_key_value_heads", m.num_key_value_heads(),
            absl::StrCat("none, or model.num_attention_heads (", heads, "), with attention MLA")),
    });
  }
  const int64_t kv_heads = m.has_num_key_value_heads() ? m.num_key_value_heads() : heads;
  const int64_t head_dim = m.has_head_dim() ? m.head_dim() : m.hidden_size() / heads;
  const std::string no_mla = "none with attention GQA";
  return FirstBroken({
      Absent(m.q_lora_rank() != 0, "model.q_lora_rank", no_mla),
      Absent(m.has_kv_lora_rank(), "model.kv_lora_rank", no_mla),
      Absent(m.has_qk_nope_head_dim(), "model.qk_nope_head_dim", no_mla),
      Absent(m.has_qk_rope_head_dim(), "model.qk_rope_head_dim", no_mla),
      Absent(m.has_v_head_dim(), "model.v_head_dim", no_mla),
      Number(heads % kv_heads == 0, "model.num_key_value_heads", kv_heads,
             absl::StrCat("a divisor of model.num_attention_heads (", heads, ")")),
      Number(m.has_head_dim() || m.hidden_size() % heads == 0, "model.hidden_size", m.hidden_size(),
             absl::StrCat("a multiple of model.num_attention_heads (", heads,
                          "), or a value for model.head_dim")),
      Number(head_dim % 2 == 0, "model.head_dim", head_dim,
             "an even number, which rotary positions need"),
  });
}

absl::Status CheckMoe(const MoeConfig& moe, int64_t layers) {
  const int64_t per_group = moe.n_routed_experts() / moe.n_group();
  return FirstBroken({
      Number(moe.n_routed_experts() % moe.n_group() == 0, "model.moe.n_routed_experts",
             moe.n_routed_experts(),
             absl::StrCat("a multiple of model.moe.n_group (", moe.n_group(), ")")),
      Number(moe.topk_group() <= moe.n_group(), "model.moe.topk_group", moe.topk_group(),
             absl::StrCat("at most model.moe.n_group (", moe.n_group(), ")")),
      Number(moe.num_experts_per_tok() <= moe.topk_group() * per_group,
             "model.moe.num_experts_per_tok", moe.num_experts_per_tok(),
             absl::StrCat("at most the ", moe.topk_group() * per_group,
                          " experts of model.moe.topk_group groups")),
      Number(moe.first_k_dense_replace() < layers, "model.moe.first_k_dense_replace",
             moe.first_k_dense_replace(),
             absl::StrCat("less than model.num_hidden_layers (", layers, ")")),
      Number(moe.topk_method() != MoeConfig::greedy || moe.n_group() == 1, "model.moe.n_group",
             moe.n_group(), "1 with topk_method greedy"),
  });
}

absl::Status CheckRope(const RopeConfig& rope) {
  const YarnConfig& yarn = rope.yarn();
  const Llama3RopeConfig& llama3 = rope.llama3();
  return FirstBroken({
      {yarn.beta_slow() < yarn.beta_fast(), "model.rope.yarn.beta_slow",
       absl::StrCat(yarn.beta_slow()),
       absl::StrCat("less than model.rope.yarn.beta_fast (", yarn.beta_fast(), ")")},
      {llama3.low_freq_factor() < llama3.high_freq_factor(), "model.rope.llama3.low_freq_factor",
       absl::StrCat(llama3.low_freq_factor()),
       absl::StrCat("less than model.rope.llama3.high_freq_factor (", llama3.high_freq_factor(),
                    ")")},
  });
}

// What the tensor axis splits evenly.
absl::Status CheckTensorAxis(int64_t ranks, const ModelConfig& model) {
  const std::string path = "layout.tensor_parallel";
  const int64_t heads = model.num_attention_heads(), width = model.intermediate_size();
  const int64_t kv_heads = model.has_num_key_value_heads() ? model.num_key_value_heads() : heads;
  const bool has_dense = !model.has_moe() || model.moe().first_k_dense_replace() > 0;
  const auto divisor = [](const char* field, int64_t value) {
    return absl::StrCat("a divisor of model.", field, " (", value, ")");
  };
  return FirstBroken({
      Number(heads % ranks == 0, path, ranks, divisor("num_attention_heads", heads)),
      Number(kv_heads % ranks == 0, path, ranks, divisor("num_key_value_heads", kv_heads)),
      Number(!has_dense || width % ranks == 0, path, ranks, divisor("intermediate_size", width)),
  });
}

absl::Status CheckLayout(const LayoutConfig& layout, const ModelConfig& model) {
  RETURN_IF_ERROR(CheckTensorAxis(layout.tensor_parallel(), model));
  const int64_t experts = layout.expert_parallel(), copies = layout.redundant_experts();
  const int64_t routed = model.moe().n_routed_experts();
  return FirstBroken({
      Number(experts == 1 || model.has_moe(), "layout.expert_parallel", experts,
             "1 for a model without moe"),
      Number(!model.has_moe() || model.moe().n_routed_experts() % experts == 0,
             "layout.expert_parallel", experts,
             absl::StrCat("a divisor of model.moe.n_routed_experts (",
                          model.moe().n_routed_experts(), ")")),
      Number(layout.rebalance_every() == 0 || experts > 1, "layout.rebalance_every",
             layout.rebalance_every(), "0 with expert_parallel 1: all experts are on one rank"),
      Number(copies == 0 || layout.rebalance_every() > 0, "layout.redundant_experts", copies,
             "0 without rebalance_every, which says when they are placed"),
      Number(copies <= routed * (experts - 1), "layout.redundant_experts", copies,
             absl::StrCat("at most a copy of each of the ", routed, " experts on each of the ",
                          experts, " ranks")),
      Number((routed + copies) % experts == 0, "layout.redundant_experts", copies,
             absl::StrCat("a number that makes the ", routed,
                          " experts of model.moe a multiple of expert_parallel (", experts, ")")),
      Number(experts % layout.expert_nodes() == 0, "layout.expert_nodes", layout.expert_nodes(),
             absl::StrCat("a divisor of expert_parallel (", experts, ")")),
  });
}

absl::Status CheckOptimizer(const OptimizerConfig& o, int64_t steps, const std::string& path) {
  const double shares = o.constant_share() + o.cosine_share() + o.first_tail_share();
  return FirstBroken({
      {o.min_learning_rate() <= o.learning_rate(), path + ".min_learning_rate",
       absl::StrCat(o.min_learning_rate()),
       absl::StrCat("at most ", path, ".learning_rate (", o.learning_rate(), ")")},
      Number(o.warmup_steps() <= steps, path + ".warmup_steps", o.warmup_steps(),
             absl::StrCat("at most the stage's steps (", steps, ")")),
      {o.schedule() != OptimizerConfig::deepseek_v3 || shares <= 1 + 1e-6, path + ".constant_share",
       absl::StrCat("shares that add up to ", shares),
       "at most 1 with cosine_share and first_tail_share"},
  });
}

absl::Status CheckPromptTemplate(const std::string& text, const std::string& path) {
  constexpr char kPlace[] = "{prompt}";
  const size_t place = text.find(kPlace);
  const bool none = place == std::string::npos;
  const bool again = !none && text.find(kPlace, place + 1) != std::string::npos;
  return FirstBroken(
      {{!none && !again, path, none ? "no {prompt}" : "more than one {prompt}", "one"}});
}

absl::Status CheckData(const DataConfig& data, const std::string& path) {
  RETURN_IF_ERROR(CheckPromptTemplate(data.prompt_template(), path + ".prompt_template"));
  return FirstBroken({
      {data.source_case() != DataConfig::SOURCE_NOT_SET, path, "neither path nor task",
       "one of them"},
      {!data.has_path() || !data.path().empty(), path + ".path", "\"\"", "a value"},
      {data.has_task() || data.num_samples() == 0, path + ".num_samples",
       absl::StrCat(data.num_samples()), "0 for a file: all its lines are used"},
      Absent(data.has_task() && data.has_verifier(), path + ".verifier",
             "none for a task, whose problems have theirs"),
      Absent(data.has_task() && data.has_system() && !data.chat(), path + ".system",
             "none for a task without chat: true, which has the chat template write its prompts"),
      Absent(data.has_task() && data.drop_too_long(), path + ".drop_too_long",
             "none for a task, which has no rows"),
      Absent(data.has_task() && data.drop_bad_rows(), path + ".drop_bad_rows",
             "none for a task, which has no rows"),
  });
}

// A file has no held-out problems of its own.
absl::Status CheckEvaluate(const StageConfig& stage, const std::string& path) {
  const EvaluateConfig& evaluate = stage.evaluate();
  const bool can = stage.data().has_task() || evaluate.has_task() || evaluate.has_path();
  return FirstBroken({
      Present(!stage.has_evaluate() || can, path + ".path",
              "a held-out file, or a task: a file has no held-out problems of its own"),
      {!evaluate.has_path() || !evaluate.path().empty(), path + ".path", "\"\"", "a value"},
      Absent(evaluate.has_path() && evaluate.has_task(), path + ".task", "none beside path"),
  });
}

// completion_only: what completion_only_loss is where it is not set.
absl::Status CheckTurns(const SupervisedConfig& config, bool completion_only,
                        const std::string& path) {
  if (config.has_completion_only_loss()) completion_only = config.completion_only_loss();
  return FirstBroken(
      {Absent(config.assistant_only_loss() && !completion_only, path + ".assistant_only_loss",
              "none without completion_only_loss, where all tokens have a loss")});
}

absl::Status CheckGrpo(const GrpoConfig& g, const ModelConfig& model, const std::string& path) {
  const int64_t samples = g.prompts_per_step() * g.num_generations();
  const int64_t length = g.max_prompt_length() + g.max_completion_length();
  return FirstBroken({
      {!g.has_epsilon_high() || g.epsilon_high() >= g.epsilon(), path + ".epsilon_high",
       absl::StrCat(g.epsilon_high()),
       absl::StrCat("at least ", path, ".epsilon (", g.epsilon(), ")")},
      // Samples, like steps, are numbered in 32 bits of the counters of random numbers.
      Number(
          samples < int64_t{1} << 32, path + ".prompts_per_step", g.prompts_per_step(),
          absl::StrCat("less than 2^32 samples with num_generations (", g.num_generations(), ")")),
      Number(samples % g.num_mini_batches() == 0, path + ".num_mini_batches", g.num_mini_batches(),
             absl::StrCat("a divisor of prompts_per_step * num_generations (", samples, ")")),
      Number(
          length <= model.max_position_embeddings(), path + ".max_completion_length",
          g.max_completion_length(),
          absl::StrCat("at most model.max_position_embeddings (", model.max_position_embeddings(),
                       ") with max_prompt_length (", g.max_prompt_length(), ")")),
  });
}

// An earlier stage, a stage of another run, or a path.
absl::Status CheckInitFrom(const RunConfig& config, int index, const std::string& path) {
  const StageConfig& stage = config.stage(index);
  if (!stage.has_init_from()) return absl::OkStatus();
  const std::string found = absl::StrCat("\"", stage.init_from(), "\"");
  if (const std::optional<OtherStage> other = StageOfAnotherRun(stage)) {
    const bool named = !other->run_dir.empty() && !other->stage.empty() && IsName(other->stage);
    return FirstBroken(
        {{named && IsName(other->step), path, found, "RUN_DIR#STAGE or RUN_DIR#STAGE/STEP"}});
  }
  if (StartsOutside(stage)) return absl::OkStatus();
  const int initial = InitialStage(config, index);
  return FirstBroken({{initial >= 0 && initial < index, path, found,
                       "the name of an earlier stage, RUN_DIR#STAGE, or a path with a '/'"}});
}

absl::Status CheckStage(const RunConfig& config, int index) {
  const StageConfig& stage = config.stage(index);
  const std::string path = absl::StrCat("stage[", index, "]");
  const bool is_grpo = stage.has_grpo();
  bool duplicate = false;
  for (int i = 0; i < index; ++i) duplicate |= config.stage(i).name() == stage.name();
  const int64_t longest =
      is_grpo ? stage.grpo().max_prompt_length() + stage.grpo().max_completion_length()
              : config.model().max_position_embeddings();
  const int64_t evaluated = stage.evaluate().max_completion_length();  // 0 when unset
  RETURN_IF_ERROR(FirstBroken({
      {IsName(stage.name()), path + ".name", absl::StrCat("\"", stage.name(), "\""),
       "letters, digits, '_' and '-'"},
      {!duplicate, path + ".name", absl::StrCat("\"", stage.name(), "\" again"),
       "a name of its own"},
      {stage.work_case() != StageConfig::WORK_NOT_SET, path, "no kind of work",
       absl::StrCat("one of ", MemberNames(StageConfig::descriptor()->FindOneofByName("work")))},
      Number(evaluated < config.model().max_position_embeddings(),
             path + ".evaluate.max_completion_length", evaluated,
             absl::StrCat("less than model.max_position_embeddings (",
                          config.model().max_position_embeddings(), ")")),
  }));
  RETURN_IF_ERROR(CheckInitFrom(config, index, path + ".init_from"));
  RETURN_IF_ERROR(CheckData(stage.data(), path + ".data"));
  RETURN_IF_ERROR(CheckEvaluate(stage, path + ".evaluate"));
  if (stage.has_pretrain())
    RETURN_IF_ERROR(CheckTurns(stage.pretrain(), /*completion_only=*/false, path + ".pretrain"));
  if (stage.has_sft())
    RETURN_IF_ERROR(CheckTurns(stage.sft(), /*completion_only=*/true, path + ".sft"));
  RETURN_IF_ERROR(CheckOptimizer(stage.optimizer(), stage.steps(), path + ".optimizer"));
  if (is_grpo) RETURN_IF_ERROR(CheckGrpo(stage.grpo(), config.model(), path + ".grpo"));
  return FirstBroken({Number(
      stage.micro_batch_tokens() >= longest, path + ".micro_batch_tokens",
      stage.micro_batch_tokens(),
      absl::StrCat("at least the longest sequence the stage allows (", longest, " tokens)"))});
}

// A checkpoint can only be the best one if its step was evaluated.
absl::Status CheckBestMetric(const RunConfig& config) {
  const CheckpointConfig& checkpoint = config.checkpoint();
  if (!checkpoint.best_metric().starts_with("eval/")) return absl::OkStatus();
  bool evaluates = false;
  for (int i = 0; i < config.stage_size(); ++i) {
    const StageConfig& stage = config.stage(i);
    if (!stage.has_evaluate()) continue;
    evaluates = true;
    const int64_t every = stage.evaluate().every_steps(), saved = checkpoint.every_steps();
    const bool only_last = saved == 0 || saved >= stage.steps();
    RETURN_IF_ERROR(FirstBroken(
        {Number(only_last || (every > 0 && saved % every == 0),
                absl::StrCat("stage[", i, "].evaluate.every_steps"), every,
                absl::StrCat("a divisor of checkpoint.every_steps (", saved,
                             "), so that every checkpoint has checkpoint.best_metric"))}));
  }
  return FirstBroken(
      {{evaluates, "checkpoint.best_metric", absl::StrCat("\"", checkpoint.best_metric(), "\""),
        "a stage with evaluate"}});
}

// Index of a stage's rollout plan, or -1.
int FindRollout(const PlanConfig& plan, const std::string& stage) {
  for (int i = 0; i < plan.rollout_size(); ++i) {
    if (plan.rollout(i).stage() == stage) return i;
  }
  return -1;
}

absl::Status CheckPlan(const RunConfig& config) {
  const PlanConfig& plan = config.plan();
  const int64_t ranks = config.layout().pipeline_parallel();
  RETURN_IF_ERROR(FirstBroken({
      OneOf(plan.cluster().name(), kClusters, "plan.cluster.name"),
      Number(plan.calibration().rank() < ranks, "plan.calibration.rank", plan.calibration().rank(),
             absl::StrCat("less than layout.pipeline_parallel (", ranks, ")")),
      Absent(plan.has_calibration() && plan.stage_seconds_size() > 0, "plan.calibration",
             "none beside plan.stage_seconds"),
  }));
  for (int i = 0; i < plan.rollout_size(); ++i) {
    const std::string& name = plan.rollout(i).stage();
    const auto& stages = config.stage();
    const bool known = std::any_of(stages.begin(), stages.end(), [&](const StageConfig& s) {
      return s.has_grpo() && s.name() == name;
    });
    const std::string path = absl::StrCat("plan.rollout[", i, "].stage");
    RETURN_IF_ERROR(FirstBroken({
        {known, path, absl::StrCat("\"", name, "\""), "the name of a grpo stage"},
        {FindRollout(plan, name) == i, path, absl::StrCat("\"", name, "\" again"), "each once"},
    }));
  }
  for (int i = 0; i < config.stage_size() && plan.rollout_size() > 0; ++i) {
    const StageConfig& stage = config.stage(i);
    if (stage.has_grpo() && FindRollout(plan, stage.name()) < 0) {
      return ConfigError("plan.rollout", absl::StrCat("none for stage \"", stage.name(), "\""),
                         "one for each grpo stage, or none at all");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckModelRelations(const ModelConfig& model) {
  RETURN_IF_ERROR(CheckAttention(model));
  if (model.has_moe()) RETURN_IF_ERROR(CheckMoe(model.moe(), model.num_hidden_layers()));
  return CheckRope(model.rope());
}

}  // namespace

absl::Status ValidateModel(const ModelConfig& model) {
  RETURN_IF_ERROR(CheckFields(model, "model"));
  return CheckModelRelations(model);
}

absl::Status Validate(const RunConfig& config) {
  RETURN_IF_ERROR(CheckFields(config, ""));
  RETURN_IF_ERROR(CheckModelRelations(config.model()));
  RETURN_IF_ERROR(CheckLayout(config.layout(), config.model()));
  if (config.stage_size() == 0) return ConfigError("stage", "nothing", "at least one stage");
  for (int i = 0; i < config.stage_size(); ++i) RETURN_IF_ERROR(CheckStage(config, i));
  RETURN_IF_ERROR(CheckBestMetric(config));
  return CheckPlan(config);
}

}  // namespace deduce
