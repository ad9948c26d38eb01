// Verifiers by their names in a config.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "rl/reward/verifier.h"

namespace deduce {

// The verifier called `name`: "accuracy", "format" or "language". Error: InvalidArgument (`where`
// is the field's path).
absl::StatusOr<std::unique_ptr<Verifier>> MakeVerifier(const std::string& name,
                                                       const std::string& where = "verifier");

}  // namespace deduce
