#include "configs/config.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <array>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "configs/parse_text.h"
#include "configs/status.h"
#include "configs/text_file.h"

namespace deduce {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

using google::protobuf::OneofDescriptor;

absl::Status MergeOver(const Message& from, Message& to, const std::string& path);

std::string PathOf(const std::string& path, const FieldDescriptor* field) {
  return path.empty() ? field->name() : absl::StrCat(path, ".", field->name());
}

// Whether the entries of a repeated field have names: a first field that is a text.
bool HasNamedEntries(const FieldDescriptor* field) {
  return field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
         field->message_type()->FindFieldByNumber(1)->cpp_type() == FieldDescriptor::CPPTYPE_STRING;
}

// An entry that is not there yet is a new one, and a stage without what makes it one is a mistyped
// name.
absl::Status CheckNewStage(const Message& entry, const Message& to) {
  if (entry.GetDescriptor() != StageConfig::descriptor()) return absl::OkStatus();
  const auto& stage = static_cast<const StageConfig&>(entry);
  const auto& config = static_cast<const RunConfig&>(to);
  const bool is_whole = stage.work_case() != StageConfig::WORK_NOT_SET && stage.has_steps();
  if (is_whole || config.stage_size() == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("stage: found \"", stage.name(), "\", but no stage has this name; stages are ",
                   StageNames(config), "; expected one of them, or steps and a kind of work"));
}

// Entries of a repeated message field, matched by their names.
absl::Status MergeEntries(const Message& from, const FieldDescriptor* field, Message& to,
                          const std::string& path) {
  const FieldDescriptor* key = field->message_type()->FindFieldByNumber(1);
  for (int i = 0; i < from.GetReflection()->FieldSize(from, field); ++i) {
    const Message& entry = from.GetReflection()->GetRepeatedMessage(from, field, i);
    if (!entry.GetReflection()->HasField(entry, key)) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ".", key->name(), ": found nothing, expected what says which entry to change"));
    }
    Message* target = nullptr;
    int index = to.GetReflection()->FieldSize(to, field);
    for (int j = 0; j < to.GetReflection()->FieldSize(to, field) && target == nullptr; ++j) {
      Message* candidate = to.GetReflection()->MutableRepeatedMessage(&to, field, j);
      if (candidate->GetReflection()->GetString(*candidate, key) ==
          entry.GetReflection()->GetString(entry, key)) {
        target = candidate;
        index = j;
      }
    }
    if (target == nullptr) {
      RETURN_IF_ERROR(CheckNewStage(entry, to));
      target = to.GetReflection()->AddMessage(&to, field);
    }
    RETURN_IF_ERROR(MergeOver(entry, *target, absl::StrCat(path, "[", index, "]")));
  }
  return absl::OkStatus();
}

// Merging one member of a oneof over another would drop the other without a word.
absl::Status CheckSameMember(const FieldDescriptor* field, const Message& to,
                             const std::string& path) {
  const OneofDescriptor* oneof = field->real_containing_oneof();
  if (oneof == nullptr) return absl::OkStatus();
  const FieldDescriptor* present = to.GetReflection()->GetOneofFieldDescriptor(to, oneof);
  if (present == nullptr || present == field) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(path, ": found it beside ", present->name(),
                                                 ", expected only one of ", MemberNames(oneof)));
}

absl::Status MergeOver(const Message& from, Message& to, const std::string& path) {
  const Reflection* reflection = from.GetReflection();
  std::unique_ptr<Message> scalars(from.New());
  scalars->CopyFrom(from);
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(from, &fields);
  for (const FieldDescriptor* field : fields) {
    const std::string at = PathOf(path, field);
    RETURN_IF_ERROR(CheckSameMember(field, to, at));
    const bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (!is_message && !field->is_repeated()) continue;
    const bool is_plain_list = field->is_repeated() && !HasNamedEntries(field);
    if (is_message && !is_plain_list) scalars->GetReflection()->ClearField(scalars.get(), field);
    if (is_plain_list) {
      reflection->ClearField(&to, field);  // replaced
    } else if (field->is_repeated()) {
      RETURN_IF_ERROR(MergeEntries(from, field, to, at));
    } else {
      RETURN_IF_ERROR(MergeOver(reflection->GetMessage(from, field),
                                *reflection->MutableMessage(&to, field), at));
    }
  }
  to.MergeFrom(*scalars);
  return absl::OkStatus();
}

// Sub-messages that are written out with their defaults when absent.
bool MeansNothingWhenAbsent(const FieldDescriptor* field) {
  constexpr std::array kNames = {"layout", "checkpoint", "rope", "optimizer"};
  return std::find(kNames.begin(), kNames.end(), field->name()) != kNames.end();
}

// Sets an unset scalar to its default.
void WriteDefault(const FieldDescriptor* field, Message& message) {
  const Reflection* reflection = message.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection->SetInt64(&message, field, field->default_value_int64());
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection->SetUInt64(&message, field, field->default_value_uint64());
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection->SetDouble(&message, field, field->default_value_double());
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->SetBool(&message, field, field->default_value_bool());
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflection->SetEnum(&message, field, field->default_value_enum());
    default:
      return;  // the schema has no other type with a default
  }
}

void WriteDefaults(Message& message) {
  const Reflection* reflection = message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message.GetDescriptor()->field(i);
    const bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (is_message && field->is_repeated()) {
      for (int j = 0; j < reflection->FieldSize(message, field); ++j) {
        WriteDefaults(*reflection->MutableRepeatedMessage(&message, field, j));
      }
    } else if (is_message) {
      if (reflection->HasField(message, field) || MeansNothingWhenAbsent(field)) {
        WriteDefaults(*reflection->MutableMessage(&message, field));
      }
    } else if (field->has_default_value() && field->real_containing_oneof() == nullptr &&
               !reflection->HasField(message, field)) {
      WriteDefault(field, message);
    }
  }
}

// Defaults that depend on the kind of stage.
void WriteDefaultsOfKinds(RunConfig& config) {
  for (StageConfig& stage : *config.mutable_stage()) {
    if (stage.has_grpo() && !stage.optimizer().has_weight_decay()) {
      stage.mutable_optimizer()->set_weight_decay(0);
    }
  }
}

// "modified: rope.theta: 5 -> 6" and the like, a line a difference -> the first path; fields
// are reported in order.
std::string FirstDifference(const Message& a, const Message& b) {
  std::string report;
  google::protobuf::util::MessageDifferencer differencer;
  differencer.ReportDifferencesToString(&report);
  if (differencer.Compare(a, b)) return "";
  const std::vector<std::string> words = absl::StrSplit(report, absl::MaxSplits(": ", 2));
  return words.size() < 2 ? report : words[1];
}

}  // namespace

absl::StatusOr<std::string> ReadConfigText(const std::string& path, const std::string& kind) {
  absl::StatusOr<std::string> text = ReadTextFile(path);
  if (absl::IsInvalidArgument(text.status())) return text;  // a pipe, or too large
  if (!text.ok() || text->empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": found no readable text, expected a ", kind, " file"));
  }
  return text;
}

absl::StatusOr<RunConfig> LoadConfig(const std::string& path,
                                     const std::vector<std::string>& overrides) {
  ASSIGN_OR_RETURN(const std::string text, ReadConfigText(path, "config"));
  ASSIGN_OR_RETURN(RunConfig config, ParseConfigText(text, path));
  for (const std::string& override_text : overrides) {
    const std::string source = absl::StrCat(
        "--set '", absl::StrReplaceAll(override_text, {{"\n", " "}, {"\r", " "}}), "'");
    ASSIGN_OR_RETURN(const RunConfig changes, ParseConfigText(override_text, source));
    if (absl::Status status = MergeOver(changes, config, ""); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(source, ": ", status.message()));
    }
  }
  WriteDefaultsOfKinds(config);
  return config;
}

RunConfig WithDefaults(const RunConfig& config) {
  RunConfig full = config;
  WriteDefaults(full);
  return full;
}

std::string ConfigText(const RunConfig& config) {
  std::string text;
  google::protobuf::TextFormat::PrintToString(WithDefaults(config), &text);
  return text;
}

std::string StageKind(const StageConfig& stage) {
  const OneofDescriptor* work = StageConfig::descriptor()->FindOneofByName("work");
  const FieldDescriptor* field = stage.GetReflection()->GetOneofFieldDescriptor(stage, work);
  return field == nullptr ? "" : field->name();
}

int FindStage(const RunConfig& config, const std::string& name) {
  for (int i = 0; i < config.stage_size(); ++i) {
    if (config.stage(i).name() == name) return i;
  }
  return -1;
}

std::string StageNames(const RunConfig& config) {
  return absl::StrJoin(config.stage(), ", ", [](std::string* out, const StageConfig& stage) {
    absl::StrAppend(out, stage.name());
  });
}

int InitialStage(const RunConfig& config, int index) {
  const StageConfig& stage = config.stage(index);
  if (StartsOutside(stage)) return -1;
  return stage.has_init_from() ? FindStage(config, stage.init_from()) : index - 1;
}

bool StartsOutside(const StageConfig& stage) {
  return stage.init_from().find_first_of("#/.") != std::string::npos;
}

std::optional<OtherStage> StageOfAnotherRun(const StageConfig& stage) {
  const std::string& text = stage.init_from();
  const size_t mark = text.rfind('#');
  if (mark == std::string::npos) return std::nullopt;
  const size_t slash = text.find('/', mark);
  OtherStage other{.run_dir = text.substr(0, mark),
                   .stage = text.substr(mark + 1, slash - mark - 1),
                   .step = ""};
  if (slash != std::string::npos) other.step = text.substr(slash + 1);
  return other;
}

std::string ModelDifference(const ModelConfig& model, const ModelConfig& other) {
  const auto meaning_of_weights = [](const ModelConfig& config) {
    ModelConfig kept = config;
    WriteDefaults(kept);
    kept.clear_hugging_face();
    kept.clear_compute();
    kept.clear_initializer_range();
    kept.clear_max_position_embeddings();
    if (kept.has_moe()) {
      kept.mutable_moe()->clear_bias_update_speed();
      kept.mutable_moe()->clear_balance_loss_alpha();
    }
    return kept;
  };
  return FirstDifference(meaning_of_weights(model), meaning_of_weights(other));
}

}  // namespace deduce
