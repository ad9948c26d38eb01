// A row of a data file as JSON.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace deduce {

// The object on a line; `where` is its `PATH:LINE`. Errors: InvalidArgument `WHERE: found X,
// expected Y` for text that is not UTF-8, with the byte; for another value than an object;
// ParseJson's (a surrogate alone and NaN are not JSON).
absl::StatusOr<nlohmann::ordered_json> ParseRow(std::string_view line, const std::string& where);

// The number at `key` of the object on `line`, letter for letter: "2.50" where JSON's value is 2.5.
// ParseRow accepts the line, and the value is a number.
std::string NumberAsWritten(std::string_view line, const std::string& key);

}  // namespace deduce
