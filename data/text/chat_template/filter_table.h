// Looking up a filter by its name in a table of them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>

#include "configs/status.h"
#include "data/text/chat_template/values/arguments.h"
#include "data/text/chat_template/values/value.h"

namespace deduce::jinja {

using Filter = absl::StatusOr<Value> (*)(const Value& input, const Arguments& arguments);
using NamedFilter = std::pair<const char*, Filter>;

// Applies the filter called `name`; nothing if the table has none. Errors: the filter's.
inline absl::StatusOr<std::optional<Value>> ApplyFrom(std::span<const NamedFilter> table,
                                                      const std::string& name, const Value& input,
                                                      const Arguments& arguments) {
  for (const auto& [known, filter] : table) {
    if (name != known) continue;
    ASSIGN_OR_RETURN(Value result, filter(input, arguments));
    return std::optional<Value>(std::move(result));
  }
  return std::optional<Value>();
}

}  // namespace deduce::jinja
