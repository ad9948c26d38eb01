#include "configs/resume_rules.h"

#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "configs/config.h"
#include "configs/field_rules.h"
#include "configs/status.h"

namespace deduce {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using enum ResumeClass;

std::string ValueText(const Message& message, const FieldDescriptor* field) {
  const Reflection* reflection = message.GetReflection();
  if (field->is_repeated()) {
    std::string text = "[";
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
      std::string value;
      google::protobuf::TextFormat::PrintFieldValueToString(message, field, i, &value);
      absl::StrAppend(&text, i == 0 ? "" : ", ", value);
    }
    return text + "]";
  }
  if (!reflection->HasField(message, field)) return "nothing";
  if (field->message_type() != nullptr) return "{ ... }";
  std::string value;
  google::protobuf::TextFormat::PrintFieldValueToString(message, field, -1, &value);
  return value;
}

// Compares two configs, field by field; the first change that is not allowed ends it.
class Comparison {
 public:
  Comparison(const RunConfig& saved, const RunConfig& now, const std::vector<StageDone>& done)
      : saved_(saved), now_(now), done_(done) {}

  // `given`: the second message without defaults, null where it was left out.
  absl::Status Compare(const Message& a, const Message& b, const Message* given,
                       const std::string& path);
  absl::Status CompareStages(const RunConfig& full_saved, const RunConfig& full_now);
  std::vector<ConfigChange> TakeChanges() { return std::move(changes_); }

 private:
  absl::Status CompareField(const Message& a, const Message& b, const Message* given,
                            const FieldDescriptor* field, const std::string& path);
  absl::Status CompareEntries(const Message& a, const Message& b, const Message* given,
                              const FieldDescriptor* field, const std::string& path);
  absl::Status Judge(const FieldDescriptor* field, const std::string& path, const std::string& from,
                     const std::string& to, bool is_given);
  absl::Status CheckSteps(const StageConfig& saved, const StageConfig& stage,
                          const std::string& path) const;
  absl::Status CheckReference(const StageConfig& saved, const StageConfig& stage,
                              const std::string& path) const;
  std::string OtherWay() const;
  void Record(const std::string& path, const std::string& from, const std::string& to);
  int CurrentStage() const;
  bool Began(int stage) const {
    return stage < static_cast<int>(done_.size()) && (done_[stage].step > 0 || done_[stage].over);
  }
  // Steps are checked by themselves; a stage with more of them is not over any more.
  bool IsOver(int stage) const {
    return done_[stage].over && now_.stage(stage).steps() <= saved_.stage(stage).steps();
  }

  const RunConfig& saved_;
  const RunConfig& now_;
  const std::vector<StageDone>& done_;
  int stage_ = -1;           // that is being compared; -1: the run's own fields
  bool evaluation_ = false;  // within the settings of an evaluation
  std::vector<ConfigChange> changes_;
};

// How another run starts from the newest weights that there are, of this stage or before it.
std::string Comparison::OtherWay() const {
  const int size = static_cast<int>(done_.size());
  for (int i = stage_ < 0 ? size - 1 : std::min(stage_, size - 1); i >= 0; --i) {
    if (done_[i].weights.empty()) continue;
    return absl::StrCat("; a stage with init_from: \"", done_[i].weights,
                        "\" in another run_dir starts from its weights");
  }
  return "";
}

// The first stage that is not over, or the last one.
int Comparison::CurrentStage() const {
  for (int i = 0; i < static_cast<int>(done_.size()); ++i) {
    if (i < now_.stage_size() && !IsOver(i)) return i;
  }
  return std::min(static_cast<int>(done_.size()), now_.stage_size() - 1);
}

void Comparison::Record(const std::string& path, const std::string& from, const std::string& to) {
  const int stage = stage_ >= 0 ? stage_ : CurrentStage();
  const int64_t step = stage < static_cast<int>(done_.size()) ? done_[stage].step : 0;
  changes_.push_back({path, from, to, now_.stage(stage).name(), step});
}

absl::Status Comparison::Judge(const FieldDescriptor* field, const std::string& path,
                               const std::string& from, const std::string& to, bool is_given) {
  const ResumeClass of_field = ResumeClassOf(field).value_or(kNever);
  if (of_field == kFree) return absl::OkStatus();
  const bool free_stage = stage_ >= 0 && !Began(stage_);
  if (of_field == kNever && !evaluation_ && !free_stage) {
    return ConfigError(path, to,
                       absl::StrCat(from, ", with which the run in run_dir was made",
                                    path.starts_with("model.") ? "" : OtherWay()));
  }
  if (!is_given) {
    return ConfigError(path, to + " for want of a value",
                       absl::StrCat(from, ", as the run in run_dir has it, or a value by name"));
  }
  if (stage_ >= 0 && Began(stage_) && IsOver(stage_)) {
    return ConfigError(
        path, to,
        absl::StrCat(from, ": stage ", now_.stage(stage_).name(), " is finished", OtherWay()));
  }
  Record(path, from, to);
  return absl::OkStatus();
}

absl::Status Comparison::CompareEntries(const Message& a, const Message& b, const Message* given,
                                        const FieldDescriptor* field, const std::string& path) {
  const Reflection* reflection = a.GetReflection();
  const int size = reflection->FieldSize(a, field), new_size = reflection->FieldSize(b, field);
  if (size != new_size) {
    return Judge(field, path, absl::StrCat(size, " entries"), absl::StrCat(new_size, " entries"),
                 true);
  }
  for (int i = 0; i < size; ++i) {
    const bool has = given != nullptr && i < reflection->FieldSize(*given, field);
    RETURN_IF_ERROR(Compare(reflection->GetRepeatedMessage(a, field, i),
                            reflection->GetRepeatedMessage(b, field, i),
                            has ? &reflection->GetRepeatedMessage(*given, field, i) : nullptr,
                            absl::StrCat(path, "[", i, "]")));
  }
  return absl::OkStatus();
}

absl::Status Comparison::CompareField(const Message& a, const Message& b, const Message* given,
                                      const FieldDescriptor* field, const std::string& path) {
  const Reflection* reflection = a.GetReflection();
  const bool is_message = field->message_type() != nullptr;
  if (is_message && field->is_repeated()) return CompareEntries(a, b, given, field, path);
  const bool is_given =
      given != nullptr && (field->is_repeated() ? reflection->FieldSize(*given, field) > 0
                                                : reflection->HasField(*given, field));
  if (is_message && reflection->HasField(a, field) && reflection->HasField(b, field)) {
    return Compare(reflection->GetMessage(a, field), reflection->GetMessage(b, field),
                   is_given ? &reflection->GetMessage(*given, field) : nullptr, path);
  }
  const std::string from = ValueText(a, field), to = ValueText(b, field);
  return from == to ? absl::OkStatus() : Judge(field, path, from, to, is_given);
}

absl::Status Comparison::Compare(const Message& a, const Message& b, const Message* given,
                                 const std::string& path) {
  const bool was_evaluation = evaluation_;
  evaluation_ |= a.GetDescriptor() == EvaluateConfig::descriptor();
  for (int i = 0; i < a.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = a.GetDescriptor()->field(i);
    if (a.GetDescriptor() == RunConfig::descriptor() && field->name() == "stage") continue;
    const std::string at = path.empty() ? field->name() : absl::StrCat(path, ".", field->name());
    RETURN_IF_ERROR(CompareField(a, b, given, field, at));
  }
  evaluation_ = was_evaluation;
  return absl::OkStatus();
}

absl::Status Comparison::CheckSteps(const StageConfig& saved, const StageConfig& stage,
                                    const std::string& path) const {
  const StageDone& done = done_[stage_];
  if (saved.steps() == stage.steps() || !Began(stage_)) return absl::OkStatus();
  const std::string found = absl::StrCat(stage.steps());
  if (!done.successor.empty()) {
    return ConfigError(path, found,
                       absl::StrCat(saved.steps(), ": stage ", done.successor,
                                    " has begun with its last weights", OtherWay()));
  }
  if (stage.steps() < done.step)
    return ConfigError(path, found, absl::StrCat("at least the ", done.step, " that are done"));
  if (stage.optimizer().schedule() != OptimizerConfig::constant) {
    return ConfigError(
        path, found,
        absl::StrCat(saved.steps(), ": with optimizer.schedule ",
                     OptimizerConfig::Schedule_Name(stage.optimizer().schedule()),
                     " the steps done would have had other learning rates", OtherWay()));
  }
  return absl::OkStatus();
}

// While beta is 0 there is no reference, which begins as the stage's first weights.
absl::Status Comparison::CheckReference(const StageConfig& saved, const StageConfig& stage,
                                        const std::string& path) const {
  if (!Began(stage_) || IsOver(stage_) || !saved.has_grpo() || !stage.has_grpo() ||
      saved.grpo().beta() != 0 || stage.grpo().beta() == 0) {
    return absl::OkStatus();
  }
  return ConfigError(path, absl::StrCat(stage.grpo().beta()),
                     absl::StrCat("0, with which no reference was kept", OtherWay()));
}

absl::Status Comparison::CompareStages(const RunConfig& full_saved, const RunConfig& full_now) {
  for (int i = 0; i < std::max(full_saved.stage_size(), full_now.stage_size()); ++i) {
    const std::string path = absl::StrCat("stage[", i, "]");
    stage_ = i;
    if (i >= full_now.stage_size()) {
      return ConfigError(path, "nothing", absl::StrCat("stage ", full_saved.stage(i).name()));
    }
    if (i >= full_saved.stage_size()) {
      Record(path, "nothing", full_now.stage(i).name());
      continue;
    }
    RETURN_IF_ERROR(CheckSteps(full_saved.stage(i), full_now.stage(i), path + ".steps"));
    RETURN_IF_ERROR(CheckReference(full_saved.stage(i), full_now.stage(i), path + ".grpo.beta"));
    RETURN_IF_ERROR(Compare(full_saved.stage(i), full_now.stage(i), &now_.stage(i), path));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<ConfigChange>> ChangesOnResume(const RunConfig& saved,
                                                          const RunConfig& now,
                                                          const std::vector<StageDone>& done) {
  const RunConfig full_saved = WithDefaults(saved), full_now = WithDefaults(now);
  Comparison comparison(saved, now, done);
  RETURN_IF_ERROR(comparison.Compare(full_saved, full_now, &now, ""));
  RETURN_IF_ERROR(comparison.CompareStages(full_saved, full_now));
  return comparison.TakeChanges();
}

}  // namespace deduce
