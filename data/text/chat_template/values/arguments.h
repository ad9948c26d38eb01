// The arguments of a call, and their assignment to the parameters of the function called.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/text/chat_template/values/value.h"

namespace deduce::jinja {

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

// One slot for each parameter, empty where nothing was given.
using Bound = std::vector<std::optional<Value>>;

// Positional arguments in order, then named ones. The first `num_required` parameters must be
// given. Errors: too many, unknown, twice, or missing.
absl::StatusOr<Bound> Bind(const Arguments& arguments,
                           std::initializer_list<const char*> parameters, size_t num_required);

// A bound argument as an integer (bools count, as in Python); `absent` where none was given or
// None.
absl::StatusOr<int64_t> IntegerOr(const std::optional<Value>& argument, int64_t absent);

// The text of a string value. Errors: another kind, or markup.
absl::StatusOr<std::string> TextOf(const Value& value);

}  // namespace deduce::jinja
