#include "configs/field_rules.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "configs/status.h"

namespace deduce {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using enum ResumeClass;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// An interval of numbers; an open end is not part of it.
struct Range {
  double min = -kInfinity;
  double max = kInfinity;
  bool open_min = false;
  bool open_max = false;
  bool or_zero = false;

  bool Holds(double x) const {
    if (or_zero && x == 0) return true;
    return std::isfinite(x) && (open_min ? x > min : x >= min) && (open_max ? x < max : x <= max);
  }

  std::string Text() const {
    if (min == -kInfinity && max == kInfinity) return "a finite number";
    if (max == kInfinity) return absl::StrCat(open_min ? "a number above " : "at least ", min);
    return absl::StrCat(or_zero ? "0 or " : "", "a number in ", open_min ? "(" : "[", Number(min),
                        ", ", Number(max), open_max ? ")" : "]");
  }

  // Bounds of integers in full, not as 1e+06.
  static std::string Number(double x) {
    return x == std::floor(x) ? absl::StrCat(static_cast<int64_t>(x)) : absl::StrCat(x);
  }
};

constexpr Range AtLeast(double min) { return {.min = min}; }
constexpr Range Between(double min, double max) { return {.min = min, .max = max}; }
constexpr Range kAnything{};
constexpr Range kPositive{.min = 0, .open_min = true};
constexpr Range kProbability{.min = 0, .max = 1};
constexpr Range kShare{.min = 0, .max = 1, .open_min = true};  // of top_p
// Logits over a smaller temperature are not finite. 0 stands for the likeliest token.
constexpr Range kTemperature = Between(1e-6, 1e6);
constexpr Range kTemperatureOrZero{.min = 1e-6, .max = 1e6, .or_zero = true};
constexpr Range kDecay{.min = 0, .max = 1, .open_max = true};  // of AdamW's moments

// Upper bounds of sizes keep every product of them within 64 bits; none is a wish anyone has.
constexpr Range kSize = Between(1, 1 << 24);
constexpr Range kSizeOrZero = Between(0, 1 << 24);
constexpr Range kCount = Between(1, 1 << 20);
constexpr Range kSteps =
    Between(0, 4294967295.0);  // 32 bits: steps are part of the counters of random numbers
constexpr Range kRanks = Between(1, 1 << 20);
constexpr Range kBytesEach = Between(0, 64);
constexpr Range kRate = Between(1e-9, 1e9);  // of plans: seconds, tokens a second, gigabytes

constexpr bool kRequired = true;
constexpr bool kOptional = false;
constexpr bool kAnyText = true;

struct FieldRule {
  absl::string_view field;
  Range range;
  bool required = false;
  bool any_text = false;  // line feeds and other control characters too
};

constexpr FieldRule kRules[] = {
    {"RunConfig.name", kAnything, kRequired},
    {"RunConfig.seed", AtLeast(0)},
    {"RunConfig.tokenizer", kAnything, kRequired},
    {"RunConfig.model", kAnything, kRequired},

    {"ModelConfig.vocab_size", kSize, kRequired},
    {"ModelConfig.hidden_size", kSize, kRequired},
    {"ModelConfig.intermediate_size", kSize, kRequired},
    {"ModelConfig.num_hidden_layers", Between(1, 10000), kRequired},
    {"ModelConfig.num_attention_heads", Between(1, 10000), kRequired},
    {"ModelConfig.max_position_embeddings", kSize},
    {"ModelConfig.rms_norm_eps", kPositive},
    {"ModelConfig.initializer_range", kPositive},
    {"ModelConfig.num_key_value_heads", Between(1, 10000)},
    {"ModelConfig.head_dim", kSize},
    {"ModelConfig.q_lora_rank", kSizeOrZero},
    {"ModelConfig.kv_lora_rank", kSize},
    {"ModelConfig.qk_nope_head_dim", kSize},
    {"ModelConfig.qk_rope_head_dim", kSize},
    {"ModelConfig.v_head_dim", kSize},
    {"ModelConfig.num_nextn_predict_layers", Between(0, 1)},
    {"RopeConfig.theta", kPositive},
    {"RopeConfig.linear_factor", AtLeast(1)},
    {"Llama3RopeConfig.factor", AtLeast(1)},
    {"Llama3RopeConfig.low_freq_factor", kPositive},
    {"Llama3RopeConfig.high_freq_factor", kPositive},
    {"Llama3RopeConfig.original_max_position_embeddings", kSize},
    {"YarnConfig.factor", AtLeast(1)},
    {"YarnConfig.original_max_position_embeddings", kSize},
    {"YarnConfig.beta_fast", kPositive},
    {"YarnConfig.beta_slow", kPositive},
    {"YarnConfig.mscale", AtLeast(0)},
    {"YarnConfig.mscale_all_dim", AtLeast(0)},
    {"YarnConfig.attention_factor", kPositive},

    {"MoeConfig.n_routed_experts", kCount, kRequired},
    {"MoeConfig.n_shared_experts", Between(0, 10000)},
    {"MoeConfig.num_experts_per_tok", kCount, kRequired},
    {"MoeConfig.moe_intermediate_size", kSize, kRequired},
    {"MoeConfig.first_k_dense_replace", Between(0, 10000)},
    {"MoeConfig.n_group", kCount},
    {"MoeConfig.topk_group", kCount},
    {"MoeConfig.routed_scaling_factor", kPositive},
    {"MoeConfig.bias_update_speed", AtLeast(0)},
    {"MoeConfig.balance_loss_alpha", AtLeast(0)},

    {"LayoutConfig.data_parallel", Between(0, 1 << 20)},
    {"LayoutConfig.expert_parallel", kRanks},
    {"LayoutConfig.pipeline_parallel", kRanks},
    {"LayoutConfig.tensor_parallel", kRanks},
    {"LayoutConfig.context_parallel", kRanks},
    {"LayoutConfig.zero_stage", Between(0, 3)},
    {"LayoutConfig.threads_per_rank", Between(1, 1024)},
    {"LayoutConfig.virtual_stages", Between(0, 1024)},
    {"LayoutConfig.stage_layers", Between(0, 10000)},
    {"LayoutConfig.hang_seconds", Between(0, 1e9)},
    {"LayoutConfig.trace_every_steps", kSteps},
    {"LayoutConfig.rebalance_every", kSteps},
    {"LayoutConfig.redundant_experts", Between(0, 100000)},
    {"LayoutConfig.expert_nodes", kRanks},
    {"CheckpointConfig.every_steps", kSteps},
    {"CheckpointConfig.keep_last", AtLeast(1)},

    {"StageConfig.name", kAnything, kRequired},
    {"StageConfig.steps", Between(1, kSteps.max), kRequired},
    {"StageConfig.data", kAnything, kRequired},
    {"StageConfig.micro_batch_tokens", kSize},
    {"OptimizerConfig.learning_rate", AtLeast(0)},
    {"OptimizerConfig.min_learning_rate", AtLeast(0)},
    {"OptimizerConfig.warmup_steps", kSteps},
    {"OptimizerConfig.beta1", kDecay},
    {"OptimizerConfig.beta2", kDecay},
    {"OptimizerConfig.epsilon", kPositive},
    {"OptimizerConfig.weight_decay", AtLeast(0)},
    {"OptimizerConfig.max_grad_norm", AtLeast(0)},
    {"OptimizerConfig.max_nonfinite_steps", AtLeast(1)},
    {"OptimizerConfig.constant_share", kProbability},
    {"OptimizerConfig.cosine_share", kProbability},
    {"OptimizerConfig.first_tail_share", kProbability},
    {"OptimizerConfig.final_learning_rate", AtLeast(0)},
    {"SupervisedConfig.samples_per_step", kSize},
    {"SupervisedConfig.mtp_loss_weight", AtLeast(0)},

    {"DistillConfig.teacher", kAnything, kRequired},
    {"DistillConfig.prompts_per_step", kSize},
    {"DistillConfig.max_prompt_length", kSize},
    {"DistillConfig.max_completion_length", kSize},
    {"DistillConfig.temperature", kTemperatureOrZero},
    {"DistillConfig.top_p", kShare},
    {"DistillConfig.rollout_batch_size", kSize},
    {"DistillConfig.mtp_loss_weight", AtLeast(0)},
    {"DataConfig.path", kAnything},
    {"DataConfig.num_samples", AtLeast(0)},
    {"DataConfig.prompt_template", kAnything, kOptional, kAnyText},
    {"DataConfig.stop", kAnything, kOptional, kAnyText},
    {"DataConfig.system", kAnything, kOptional, kAnyText},
    {"TaskConfig.name", kAnything, kRequired},

    {"GrpoConfig.prompts_per_step", kCount},
    {"GrpoConfig.num_generations", Between(2, 1 << 20)},  // a group of one has no advantage
    {"GrpoConfig.num_mini_batches", kCount},
    {"GrpoConfig.num_iterations", kCount},
    {"GrpoConfig.beta", AtLeast(0)},
    {"GrpoConfig.epsilon", kPositive},
    {"GrpoConfig.epsilon_high", kPositive},
    {"GrpoConfig.ref_update_interval", kSteps},
    {"GrpoConfig.temperature", kTemperature},
    {"GrpoConfig.top_p", kShare},
    {"GrpoConfig.max_prompt_length", kSize},
    {"GrpoConfig.max_completion_length", kSize},
    {"GrpoConfig.rollout_batch_size", kCount},
    {"GrpoConfig.save_rollouts_every", Between(1, kSteps.max)},
    {"RewardConfig.verifier", kAnything, kRequired},
    {"RewardConfig.weight", kAnything},

    {"EvaluateConfig.every_steps", kSteps},
    {"EvaluateConfig.num_problems", kCount},
    {"EvaluateConfig.samples_per_problem", kCount},
    {"EvaluateConfig.temperature", kTemperatureOrZero},
    {"EvaluateConfig.top_p", kShare},
    {"EvaluateConfig.max_completion_length", kSize},

    {"PlanConfig.sequence_length", kSize},
    {"PlanConfig.sequences_per_step", kSize},
    {"PlanConfig.micro_batch_tokens", kSize},
    {"PlanConfig.weight_bytes", kBytesEach},
    {"PlanConfig.gradient_bytes", kBytesEach},
    {"PlanConfig.optimizer_bytes", kBytesEach},
    {"PlanConfig.activation_bytes", kBytesEach},
    {"PlanConfig.gradient_sums", Between(0, 64)},
    {"ClusterConfig.peak_tflops", kRate},
    {"ClusterConfig.memory_gb", kRate},
    {"ClusterConfig.memory_gb_per_second", kRate},
    {"ClusterConfig.network_gb_per_second", kRate},
    {"ClusterConfig.node_gb_per_second", kRate},
    {"ClusterConfig.ranks_per_node", kRanks},
    {"ClusterConfig.dollars_per_rank_hour", Between(0, 1e6)},
    {"ClusterConfig.efficiency", kShare},
    {"ClusterConfig.network_latency_seconds", Between(0, 1e9)},
    {"ClusterConfig.cores", kRate},
    {"StageSecondsConfig.forward", kRate, kRequired},
    {"StageSecondsConfig.backward", kRate, kRequired},
    {"StageSecondsConfig.input_gradient", kRate, kRequired},
    {"StageSecondsConfig.weight_gradient", kRate, kRequired},
    {"CalibrationConfig.micro_batches", Between(1, 1 << 14), kRequired},
    {"CalibrationConfig.sequence_length", kSize, kRequired},
    {"CalibrationConfig.micro_batch_tokens", kSize},
    {"CalibrationConfig.forward_seconds", kRate, kRequired},
    {"CalibrationConfig.backward_seconds", kRate, kRequired},
    {"CalibrationConfig.weight_gradient_seconds", kRate},
    {"CalibrationConfig.overlapped_seconds", kRate},
    {"CalibrationConfig.rank", Between(0, 1 << 20)},
    {"CalibrationConfig.optimizer_seconds", Between(0, 1e9)},
    {"PublishedConfig.step_seconds", kPositive},
    {"PublishedConfig.bubble_seconds", kPositive},
    {"PublishedConfig.gflop_per_token", kPositive},
    {"PublishedConfig.tflops_per_rank", kPositive},
    {"PublishedConfig.thousand_rank_hours_per_trillion_tokens", kPositive},
    {"PublishedConfig.memory_gb", kPositive},
    {"PublishedConfig.parameters", kPositive},
    {"PublishedConfig.job_hours", kPositive},
    {"PublishedConfig.thousand_job_rank_hours", kPositive},
    {"RolloutPlanConfig.stage", kAnything, kRequired},
    {"RolloutPlanConfig.mean_completion_tokens", kRate, kRequired},
    {"RolloutPlanConfig.sequence_tokens_per_second", kRate, kRequired},
    {"RolloutPlanConfig.rank_tokens_per_second", kRate, kRequired},
    {"RolloutPlanConfig.switch_seconds", Between(0, 1e9)},
    {"RolloutPlanConfig.longest_tokens", kRate},
};

// A sub-message's class is that of its being there; its fields have their own. Two kinds of fields
// need no row, since they never change when a run goes on, which is always safe: members of a
// oneof, which say what a message is, and all fields of a message without any row.
struct FieldClasses {
  absl::string_view message;
  ResumeClass of_fields;
  absl::string_view fields;  // separated by spaces; "*": all
};

constexpr FieldClasses kResumeClasses[] = {
    {"RunConfig", kFree, "name run_dir layout checkpoint plan"},
    {"RunConfig", kFree, "tokenizer"},  // its contents are compared, wherever the file lies
    {"RunConfig", kNever, "seed model stage"},
    {"CheckpointConfig", kFree,
     "every_steps keep_last weights_hash_every_step best_metric save_only_model"},
    {"LayoutConfig", kFromHereOn, "exact threads_per_rank device"},  // they round differently
    {"LayoutConfig", kFree,
     "data_parallel expert_parallel pipeline_parallel tensor_parallel context_parallel "
     "context_keys zero_stage schedule virtual_stages stage_layers recompute hang_seconds "
     "trace_every_steps rebalance_every redundant_experts expert_nodes"},

    {"ModelConfig", kNever,
     "attention vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads "
     "max_position_embeddings rms_norm_eps initializer_range tie_word_embeddings "
     "num_key_value_heads head_dim q_lora_rank kv_lora_rank qk_nope_head_dim qk_rope_head_dim "
     "v_head_dim rope moe num_nextn_predict_layers qkv_bias o_bias mlp_bias qk_norm hugging_face "
     "compute"},
    {"RopeConfig", kNever, "theta interleave yarn llama3 linear_factor"},
    {"Llama3RopeConfig", kNever,
     "factor low_freq_factor high_freq_factor original_max_position_embeddings"},
    {"YarnConfig", kNever,
     "factor original_max_position_embeddings beta_fast beta_slow mscale mscale_all_dim "
     "attention_factor"},
    {"MoeConfig", kNever,
     "n_routed_experts n_shared_experts num_experts_per_tok moe_intermediate_size "
     "first_k_dense_replace n_group topk_group routed_scaling_factor norm_topk_prob scoring_func "
     "topk_method"},
    {"MoeConfig", kFromHereOn, "bias_update_speed balance_loss_alpha"},

    {"StageConfig", kNever, "name init_from data"},
    {"StageConfig", kFromHereOn, "steps micro_batch_tokens optimizer evaluate"},
    {"OptimizerConfig", kFromHereOn,
     "learning_rate min_learning_rate warmup_steps schedule beta1 beta2 epsilon weight_decay "
     "max_grad_norm max_nonfinite_steps constant_share cosine_share first_tail_share "
     "final_learning_rate"},
    // Samples and prompts are counted from the first step: another number a step would skip some.
    {"SupervisedConfig", kNever, "samples_per_step completion_only_loss assistant_only_loss"},
    {"SupervisedConfig", kFromHereOn, "mtp_loss_weight"},
    {"DistillConfig", kNever, "teacher prompts_per_step only_right"},
    {"DistillConfig", kFromHereOn,
     "max_prompt_length max_completion_length temperature top_p mtp_loss_weight"},
    {"DistillConfig", kFree, "rollout_batch_size"},
    // num_iterations counts shuffles, whose random numbers would come again.
    {"GrpoConfig", kNever,
     "prompts_per_step num_iterations loss_type scale_rewards kl_estimator "
     "mask_truncated_completions reward"},
    {"GrpoConfig", kFromHereOn,
     "num_generations num_mini_batches beta epsilon epsilon_high ref_update_interval temperature "
     "top_p max_prompt_length max_completion_length"},
    {"GrpoConfig", kFree, "rollout_batch_size save_rollouts_every"},
    {"RewardConfig", kNever, "verifier"},
    {"RewardConfig", kFromHereOn, "weight"},
    {"DataConfig", kFree, "path"},  // its contents are compared, wherever the file lies
    {"DataConfig", kNever,
     "task num_samples prompt_template chat stop system verifier drop_too_long drop_bad_rows"},
    {"TaskConfig", kNever,
     "name min_terms max_terms min_digits max_digits chinese_share operators step_error_rate "
     "mix_rate format_error_rate guess_rate early_stop_rate"},
    // Evaluation trains nothing: its task may change too.
    {"EvaluateConfig", kFromHereOn,
     "every_steps num_problems samples_per_problem temperature top_p task max_completion_length "
     "path"},

    {"PlanConfig", kFree, "*"},
    {"ClusterConfig", kFree, "*"},
    {"StageSecondsConfig", kFree, "*"},
    {"CalibrationConfig", kFree, "*"},
    {"PublishedConfig", kFree, "*"},
    {"RolloutPlanConfig", kFree, "*"},
};

const FieldRule* FindRule(const FieldDescriptor* field) {
  const std::string name = absl::StrCat(field->containing_type()->name(), ".", field->name());
  const auto* rule = std::find_if(std::begin(kRules), std::end(kRules),
                                  [&](const FieldRule& r) { return r.field == name; });
  return rule == std::end(kRules) ? nullptr : rule;
}

absl::Status CheckNumber(const FieldRule* rule, double value, const std::string& text,
                         const std::string& path) {
  const Range range = rule == nullptr ? kAnything : rule->range;
  return range.Holds(value) ? absl::OkStatus() : ConfigError(path, text, range.Text());
}

absl::Status CheckString(const FieldRule* rule, const std::string& value, bool required,
                         const std::string& path) {
  if (value.empty() && required) return ConfigError(path, "\"\"", "a value");
  if (rule != nullptr && rule->any_text) return absl::OkStatus();
  const bool plain = std::all_of(value.begin(), value.end(),
                                 [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
  return plain ? absl::OkStatus() : ConfigError(path, "a control character", "text");
}

absl::Status CheckField(const Message& message, const FieldDescriptor* field,
                        const std::string& path) {
  const auto* reflection = message.GetReflection();
  const FieldRule* rule = FindRule(field);
  const bool required = rule != nullptr && rule->required;
  if (field->is_repeated()) {
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
      const std::string entry = absl::StrCat(path, "[", i, "]");
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        RETURN_IF_ERROR(CheckFields(reflection->GetRepeatedMessage(message, field, i), entry));
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_INT64) {
        const int64_t value = reflection->GetRepeatedInt64(message, field, i);
        RETURN_IF_ERROR(CheckNumber(rule, static_cast<double>(value), absl::StrCat(value), entry));
      } else {
        RETURN_IF_ERROR(CheckString(rule, reflection->GetRepeatedString(message, field, i),
                                    /*required=*/true, entry));
      }
    }
    return absl::OkStatus();
  }
  if (!reflection->HasField(message, field)) {
    return required ? ConfigError(path, "nothing", "a value")
                    : absl::OkStatus();  // defaults are in range
  }
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT64: {
      const int64_t value = reflection->GetInt64(message, field);
      return CheckNumber(rule, static_cast<double>(value), absl::StrCat(value), path);
    }
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      const double value = reflection->GetDouble(message, field);
      return CheckNumber(rule, value, absl::StrCat(value), path);
    }
    case FieldDescriptor::CPPTYPE_STRING:
      return CheckString(rule, reflection->GetString(message, field), required, path);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return CheckFields(reflection->GetMessage(message, field), path);
    default:
      return absl::OkStatus();  // the parser lets no wrong bool, enum or unsigned number through
  }
}

}  // namespace

absl::Status CheckFields(const Message& message, const std::string& path) {
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message.GetDescriptor()->field(i);
    RETURN_IF_ERROR(CheckField(
        message, field, path.empty() ? field->name() : absl::StrCat(path, ".", field->name())));
  }
  return absl::OkStatus();
}

bool HasRange(const FieldDescriptor* field) { return FindRule(field) != nullptr; }

bool HasRules(const Descriptor* message) {
  return std::any_of(
             std::begin(kResumeClasses), std::end(kResumeClasses),
             [&](const FieldClasses& classes) { return classes.message == message->name(); }) ||
         std::any_of(std::begin(kRules), std::end(kRules), [&](const FieldRule& rule) {
           return absl::StartsWith(rule.field, absl::StrCat(message->name(), "."));
         });
}

std::optional<ResumeClass> ResumeClassOf(const FieldDescriptor* field) {
  for (const FieldClasses& classes : kResumeClasses) {
    if (classes.message != field->containing_type()->name()) continue;
    if (classes.fields == "*") return classes.of_fields;
    for (const absl::string_view name : absl::StrSplit(classes.fields, ' ')) {
      if (name == field->name()) return classes.of_fields;
    }
  }
  if (field->containing_oneof() != nullptr || !HasRules(field->containing_type())) return kNever;
  return std::nullopt;
}

absl::Status ConfigError(const std::string& path, const std::string& found,
                         const std::string& expected) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": found ", found, ", expected ", expected));
}

}  // namespace deduce
