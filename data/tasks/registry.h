// The tasks by their names in a config.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "configs/data.pb.h"
#include "data/tasks/task.h"

namespace deduce {

// Every task, in the order in which help and errors list them.
std::span<const TaskKind* const> TaskKinds();

// The task that `config` names. Error: InvalidArgument naming the field (`where` is the path of
// `config`) for an unknown name, a number out of its range, a field set to other than its default
// that the task does not read, or a rule between fields.
absl::StatusOr<std::unique_ptr<Task>> MakeTask(const TaskConfig& config, uint64_t seed,
                                               const std::string& where = "task");

}  // namespace deduce
