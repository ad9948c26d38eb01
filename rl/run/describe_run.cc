#include "rl/run/describe_run.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>

#include <array>
#include <cerrno>  // program_invocation_name
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "configs/config.h"
#include "rl/run/find_model.h"
#include "trainer/forecast/model_size.h"

namespace deduce {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::TextFormat;

// Whether a set field holds its default.
bool IsDefault(const Message& message, const FieldDescriptor* field) {
  if (field->is_repeated() || !field->has_default_value()) return false;
  const std::unique_ptr<Message> unset(message.New());
  std::string value, of_unset;
  TextFormat::PrintFieldValueToString(message, field, -1, &value);
  TextFormat::PrintFieldValueToString(*unset, field, -1, &of_unset);
  return value == of_unset;
}

// Leaves what is not the default. Sub-messages stay, as that they are there may mean something, but
// for those that never do.
void ClearDefaults(Message& message) {
  const Reflection* reflection = message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->message_type() == nullptr) {
      if (IsDefault(message, field)) reflection->ClearField(&message, field);
    } else if (field->is_repeated()) {
      for (int i = 0; i < reflection->FieldSize(message, field); ++i)
        ClearDefaults(*reflection->MutableRepeatedMessage(&message, field, i));
    } else {
      Message& part = *reflection->MutableMessage(&message, field);
      ClearDefaults(part);
      const std::string& name = field->name();
      const bool means_nothing = name == "optimizer" || name == "layout" || name == "checkpoint";
      if (means_nothing && part.ByteSizeLong() == 0) reflection->ClearField(&message, field);
    }
  }
}

// The settings that differ from their defaults, in lines that begin with `indent`; may be "".
std::string NotDefault(Message& message, const std::string& indent) {
  constexpr size_t kWidth = 110;
  ClearDefaults(message);
  TextFormat::Printer printer;
  printer.SetSingleLineMode(true);
  printer.SetUseUtf8StringEscaping(true);
  std::string settings;
  printer.PrintToString(message, &settings);
  std::string text, line;
  for (const std::string& word :
       std::vector<std::string>(absl::StrSplit(settings, ' ', absl::SkipEmpty()))) {
    if (!line.empty() && indent.size() + line.size() + 1 + word.size() > kWidth) {
      absl::StrAppend(&text, indent, line, "\n");
      line.clear();
    }
    absl::StrAppend(&line, line.empty() ? "" : " ", word);
  }
  if (!line.empty()) absl::StrAppend(&text, indent, line, "\n");
  return text;
}

std::string Count(int64_t count) {
  const auto value = static_cast<double>(count);
  if (count >= 1'000'000'000) return absl::StrFormat("%.3g billion", value / 1e9);
  if (count >= 1'000'000) return absl::StrFormat("%.3g million", value / 1e6);
  return absl::StrCat(count);
}

std::string ModelText(const ModelConfig& model) {
  std::string text =
      absl::StrFormat("model: %s parameters: %d layers of hidden size %d, attention %s",
                      Count(NumMainParameters(model)), model.num_hidden_layers(),
                      model.hidden_size(), ModelConfig::Attention_Name(model.attention()));
  if (model.has_moe()) absl::StrAppend(&text, ", ", model.moe().n_routed_experts(), " experts");
  if (model.has_hugging_face()) absl::StrAppend(&text, ", from ", model.hugging_face());
  return text + "\n";
}

std::string LayoutText(const LayoutConfig& layout, int num_ranks) {
  const std::array<std::pair<const char*, int64_t>, 4> axes = {{
      {"expert_parallel", layout.expert_parallel()},
      {"pipeline_parallel", layout.pipeline_parallel()},
      {"context_parallel", layout.context_parallel()},
      {"tensor_parallel", layout.tensor_parallel()},
  }};
  int64_t others = 1;
  std::string text;
  for (const auto& [name, ranks] : axes) {
    others *= ranks;
    if (ranks > 1) absl::StrAppend(&text, " x ", name, " ", ranks);
  }
  return absl::StrCat("layout: ", num_ranks, num_ranks == 1 ? " rank" : " ranks",
                      num_ranks == 1 ? "" : absl::StrCat(" = data_parallel ", num_ranks / others),
                      text, "\n");
}

std::string StageText(const RunConfig& config, int index) {
  StageConfig stage = config.stage(index);
  const DataConfig& data = stage.data();
  std::string text =
      absl::StrCat("stage ", stage.name(), ": ", StageKind(stage), ", ", stage.steps(),
                   stage.steps() == 1 ? " step, " : " steps, ",
                   data.has_path() ? data.path() : absl::StrCat("task ", data.task().name()), "\n");
  stage.clear_name();
  stage.clear_steps();
  // The default of this kind is 0, which the schema does not know.
  const double decay = stage.has_grpo() ? stage.optimizer().weight_decay() : 0;
  if (stage.has_grpo()) stage.mutable_optimizer()->clear_weight_decay();
  absl::StrAppend(&text, NotDefault(stage, "    "));
  if (decay != 0) absl::StrAppend(&text, "    optimizer { weight_decay: ", decay, " }\n");
  return text;
}

}  // namespace

std::string StartText(const RunConfig& config, int num_ranks, const std::string& compute) {
  std::string text =
      absl::StrCat("run ", config.name(), " in ", config.run_dir(), "\n", ModelText(config.model()),
                   LayoutText(config.layout(), num_ranks), compute, "\n");
  for (int i = 0; i < config.stage_size(); ++i) absl::StrAppend(&text, StageText(config, i));
  RunConfig rest = config;
  rest.clear_name();
  rest.clear_run_dir();
  rest.clear_model();
  rest.clear_stage();
  rest.clear_plan();
  if (const std::string others = NotDefault(rest, "    "); !others.empty())
    absl::StrAppend(&text, "of the run\n", others);
  if (config.checkpoint().save_only_model()) {
    text +=
        "checkpoints hold weights alone: a stage that is stopped cannot go on "
        "(checkpoint.save_only_model)\n";
  }
  return absl::StrCat(text, "all settings: ", config.run_dir(), "/config.textproto\n");
}

std::string EndText(const RunConfig& config, const std::string& checkpoint) {
  const std::string& dir = config.run_dir();
  std::string text;
  std::error_code error;
  for (const StageConfig& stage : config.stage()) {
    const std::string best =
        absl::StrCat(CheckpointStageDir(dir, stage.name()), "/", kBestCheckpoint);
    const auto target = std::filesystem::read_symlink(best, error);
    if (config.checkpoint().has_best_metric() && !error) {
      absl::StrAppend(&text, "best checkpoint of stage ", stage.name(), " by ",
                      config.checkpoint().best_metric(), ": ", best, " (step ", target.string(),
                      ")\n");
    }
  }
  const bool chat = config.stage(config.stage_size() - 1).data().chat();
  const std::string type = absl::StrCat("  ", program_invocation_name);
  return absl::StrCat("last checkpoint: ", checkpoint, "\n", text, "what to type next:\n",  //
                      type, " report ", dir, "\n",                                          //
                      type, " generate --model=", checkpoint, chat ? " --chat" : "",
                      " --prompt='...'\n",  //
                      type, " export --checkpoint=", checkpoint, " --out=", dir, "/export\n");
}

}  // namespace deduce
