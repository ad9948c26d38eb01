#include "data/tasks/make_task.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "data/tasks/arithmetic.h"
#include "data/tasks/chain_sum.h"

namespace deduce {

absl::StatusOr<std::unique_ptr<Task>> MakeTask(const TaskConfig& config, uint64_t seed,
                                               const std::string& where) {
  if (config.name() == "chain_sum") return ChainSum::Create(config, seed, where);
  if (config.name() == "arithmetic") return Arithmetic::Create(config, seed, where);
  return absl::InvalidArgumentError(absl::StrCat(where, ".name: found \"", config.name(),
                                                 "\", expected \"chain_sum\" or \"arithmetic\""));
}

}  // namespace deduce
