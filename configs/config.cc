#include "configs/config.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <memory>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "configs/parse_text.h"
#include "configs/status.h"

namespace deduce {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

absl::Status MergeOver(const Message& from, Message& to);

// Whether the entries of a repeated field have names: a first field that is a text.
bool HasNamedEntries(const FieldDescriptor* field) {
  return field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
         field->message_type()->FindFieldByNumber(1)->cpp_type() == FieldDescriptor::CPPTYPE_STRING;
}

// Entries of a repeated message field, matched by their names.
absl::Status MergeEntries(const Message& from, const FieldDescriptor* field, Message& to) {
  const FieldDescriptor* key = field->message_type()->FindFieldByNumber(1);
  for (int i = 0; i < from.GetReflection()->FieldSize(from, field); ++i) {
    const Message& entry = from.GetReflection()->GetRepeatedMessage(from, field, i);
    if (!entry.GetReflection()->HasField(entry, key)) {
      return absl::InvalidArgumentError(
          absl::StrCat(field->name(), ".", key->name(),
                       ": found nothing, expected what says which entry to change"));
    }
    Message* target = nullptr;
    for (int j = 0; j < to.GetReflection()->FieldSize(to, field) && target == nullptr; ++j) {
      Message* candidate = to.GetReflection()->MutableRepeatedMessage(&to, field, j);
      if (candidate->GetReflection()->GetString(*candidate, key) ==
          entry.GetReflection()->GetString(entry, key)) {
        target = candidate;
      }
    }
    if (target == nullptr) target = to.GetReflection()->AddMessage(&to, field);
    RETURN_IF_ERROR(MergeOver(entry, *target));
  }
  return absl::OkStatus();
}

absl::Status MergeOver(const Message& from, Message& to) {
  const Reflection* reflection = from.GetReflection();
  std::unique_ptr<Message> scalars(from.New());
  scalars->CopyFrom(from);
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(from, &fields);
  for (const FieldDescriptor* field : fields) {
    const bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (!is_message && !field->is_repeated()) continue;
    const bool is_plain_list = field->is_repeated() && !HasNamedEntries(field);
    if (is_message && !is_plain_list) scalars->GetReflection()->ClearField(scalars.get(), field);
    if (is_plain_list) {
      reflection->ClearField(&to, field);  // replaced
    } else if (field->is_repeated()) {
      RETURN_IF_ERROR(MergeEntries(from, field, to));
    } else {
      RETURN_IF_ERROR(
          MergeOver(reflection->GetMessage(from, field), *reflection->MutableMessage(&to, field)));
    }
  }
  to.MergeFrom(*scalars);
  return absl::OkStatus();
}

// Sub-messages that are written out with their defaults when absent.
bool MeansNothingWhenAbsent(const FieldDescriptor* field) {
  constexpr std::array kNames = {"layout", "checkpoint", "rope", "optimizer", "batch"};
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
    } else if (field->has_default_value() && !reflection->HasField(message, field)) {
      WriteDefault(field, message);
    }
  }
}

// The config as far as it decides the weights.
RunConfig WhatDecidesWeights(const RunConfig& config) {
  RunConfig kept = WithDefaults(config);
  const int64_t threads = kept.layout().threads_per_rank();  // part of the numbers (DESIGN.md)
  kept.clear_layout();
  kept.mutable_layout()->set_threads_per_rank(threads);
  kept.clear_run_dir();
  kept.clear_checkpoint();
  kept.clear_plan();
  return kept;
}

// "modified: stage[1].steps: 5 -> 6" and the like, a line a difference -> the first path; fields
// are reported in order.
std::string FirstDifference(const RunConfig& a, const RunConfig& b) {
  std::string report;
  google::protobuf::util::MessageDifferencer differencer;
  differencer.ReportDifferencesToString(&report);
  if (differencer.Compare(a, b)) return "";
  const std::vector<std::string> words = absl::StrSplit(report, absl::MaxSplits(": ", 2));
  return words.size() < 2 ? report : words[1];
}

int FindStage(const RunConfig& config, const std::string& name) {
  for (int i = 0; i < config.stage_size(); ++i) {
    if (config.stage(i).name() == name) return i;
  }
  return -1;
}

}  // namespace

absl::StatusOr<std::string> ReadConfigText(const std::string& path, const std::string& kind) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": found no readable text, expected a ", kind, " file"));
  }
  return text.str();
}

absl::StatusOr<RunConfig> LoadConfig(const std::string& path,
                                     const std::vector<std::string>& overrides) {
  ASSIGN_OR_RETURN(const std::string text, ReadConfigText(path, "config"));
  ASSIGN_OR_RETURN(RunConfig config, ParseConfigText(text, path));
  for (const std::string& override_text : overrides) {
    const std::string source = absl::StrCat(
        "--set '", absl::StrReplaceAll(override_text, {{"\n", " "}, {"\r", " "}}), "'");
    ASSIGN_OR_RETURN(const RunConfig changes, ParseConfigText(override_text, source));
    if (absl::Status status = MergeOver(changes, config); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(source, ": ", status.message()));
    }
  }
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

std::string ConfigDifference(const RunConfig& a, const RunConfig& b) {
  return FirstDifference(WhatDecidesWeights(a), WhatDecidesWeights(b));
}

int InitialStage(const RunConfig& config, int index) {
  return config.stage(index).has_init_from() ? FindStage(config, config.stage(index).init_from())
                                             : index - 1;
}

std::string ReuseDifference(const RunConfig& run, const RunConfig& other) {
  const RunConfig mine = WhatDecidesWeights(run);
  const RunConfig theirs = WhatDecidesWeights(other);
  const auto shared = [](const RunConfig& config) {
    RunConfig kept = config;
    kept.clear_name();
    kept.clear_reuse();
    kept.clear_stage();
    return kept;
  };
  if (std::string path = FirstDifference(shared(mine), shared(theirs)); !path.empty()) return path;
  for (const std::string& name : run.reuse().stage()) {
    int i = FindStage(mine, name);
    int j = FindStage(theirs, name);
    if (i < 0) return "reuse.stage";
    // The stage and everything it was trained from. Order alone does not count: init_from is
    // compared by what it means.
    for (; i >= 0; i = InitialStage(mine, i), j = InitialStage(theirs, j)) {
      const std::string path = absl::StrCat("stage[", i, "]");
      if (j < 0) return path;
      RunConfig a, b;
      *a.add_stage() = mine.stage(i);
      *b.add_stage() = theirs.stage(j);
      a.mutable_stage(0)->clear_init_from();
      b.mutable_stage(0)->clear_init_from();
      const std::string difference = FirstDifference(a, b);
      if (!difference.empty()) return absl::StrReplaceAll(difference, {{"stage[0]", path}});
      if (InitialStage(mine, i) < 0 && InitialStage(theirs, j) >= 0)
        return absl::StrCat(path, ".init_from");
    }
  }
  return "";
}

}  // namespace deduce
