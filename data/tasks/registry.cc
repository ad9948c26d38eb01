#include "data/tasks/registry.h"

#include <algorithm>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "configs/status.h"

namespace deduce {

// A new task is its own file, which defines such a constant, and its name here, twice.
extern const TaskKind kChainSum, kArithmetic;
constexpr const TaskKind* kTaskKinds[] = {&kChainSum, &kArithmetic};

namespace {

using google::protobuf::FieldDescriptor;

absl::Status TaskError(const std::string& where, const std::string& field, const std::string& found,
                       const std::string& expected) {
  return absl::InvalidArgumentError(
      absl::StrCat(where, ".", field, ": found ", found, ", expected ", expected));
}

bool IsTaskNumber(const FieldDescriptor* field) {
  return field->cpp_type() == FieldDescriptor::CPPTYPE_INT64 ||
         field->cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE;
}

double NumberIn(const TaskConfig& config, const FieldDescriptor* field) {
  return field->cpp_type() == FieldDescriptor::CPPTYPE_INT64
             ? static_cast<double>(config.GetReflection()->GetInt64(config, field))
             : config.GetReflection()->GetDouble(config, field);
}

// Resolved configs spell defaults out, so a field counts as set when it differs from its default.
bool HasDefault(const TaskConfig& config, const FieldDescriptor* field) {
  const TaskConfig& unset = TaskConfig::default_instance();
  if (IsTaskNumber(field)) return NumberIn(config, field) == NumberIn(unset, field);
  const auto* reflection = config.GetReflection();
  return reflection->GetString(config, field) == reflection->GetString(unset, field);
}

std::string TextOf(const TaskConfig& config, const FieldDescriptor* field) {
  if (IsTaskNumber(field)) return absl::StrCat(NumberIn(config, field));
  return absl::StrCat("\"", config.GetReflection()->GetString(config, field), "\"");
}

absl::Status CheckTaskField(const TaskKind& kind, const TaskConfig& config,
                            const FieldDescriptor* field, const std::string& where) {
  const auto option = std::find_if(kind.options.begin(), kind.options.end(),
                                   [&](const TaskOption& o) { return o.field == field->name(); });
  if (option == kind.options.end()) {
    if (HasDefault(config, field)) return absl::OkStatus();
    return TaskError(where, field->name(), TextOf(config, field),
                     absl::StrCat("nothing, as ", kind.name, " has no use for it"));
  }
  if (!IsTaskNumber(field)) return absl::OkStatus();
  const double value = NumberIn(config, field);
  if (value >= option->min && value <= option->max) return absl::OkStatus();
  return TaskError(where, field->name(), absl::StrCat(value),
                   absl::StrCat(option->min, " to ", option->max));
}

}  // namespace

std::span<const TaskKind* const> TaskKinds() { return kTaskKinds; }

absl::StatusOr<std::unique_ptr<Task>> MakeTask(const TaskConfig& config, uint64_t seed,
                                               const std::string& where) {
  const auto kind = std::find_if(std::begin(kTaskKinds), std::end(kTaskKinds),
                                 [&](const TaskKind* k) { return k->name == config.name(); });
  if (kind == std::end(kTaskKinds)) {
    const auto append_name = [](std::string* out, const TaskKind* k) { *out += k->name; };
    return TaskError(where, "name", absl::StrCat("\"", config.name(), "\""),
                     absl::StrCat("one of ", absl::StrJoin(kTaskKinds, ", ", append_name)));
  }
  for (int i = 0; i < TaskConfig::descriptor()->field_count(); ++i) {
    const FieldDescriptor* field = TaskConfig::descriptor()->field(i);
    if (field->name() != "name") RETURN_IF_ERROR(CheckTaskField(**kind, config, field, where));
  }
  return (*kind)->create(config, seed, where);
}

}  // namespace deduce
