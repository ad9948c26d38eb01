// Tasks by their names in a config.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "configs/data.pb.h"
#include "data/tasks/task.h"

namespace deduce {

// The task `config` names. Error: InvalidArgument naming the field (`where` is the path of
// `config`).
absl::StatusOr<std::unique_ptr<Task>> MakeTask(const TaskConfig& config, uint64_t seed,
                                               const std::string& where = "task");

}  // namespace deduce
