// JSON of files from elsewhere: an object, in which no name stands twice.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"

namespace deduce {

// DataLoss, one line that starts with `path`, for text that is no JSON object or has an object that
// names a member twice, which the parser itself would let pass.
absl::StatusOr<nlohmann::json> ParseJsonObject(const std::string& path, const std::string& text);

// A name from outside: quoted, escaped and cut, so that a message stays one line.
std::string QuotedName(const std::string& name);

}  // namespace deduce
