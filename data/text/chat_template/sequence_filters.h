// Jinja's filters on sequences and dicts that call no other filter: length, first, join, sort,
// items and others.
#pragma once

#include <optional>
#include <string>

#include "data/text/chat_template/values/arguments.h"
#include "data/text/chat_template/values/value.h"

namespace deduce::jinja {

// `input|NAME(arguments)`; nothing if the name is not one of these filters. Errors: as Python's.
absl::StatusOr<std::optional<Value>> ApplySequenceFilter(const std::string& name,
                                                         const Value& input,
                                                         const Arguments& arguments);

// The value at a dotted path ("function.name", digits are indices), as `attribute=` of filters
// looks it up. `absent`, where given, stands for what is undefined on the way.
absl::StatusOr<Value> AtPath(const Value& value, const Value& path,
                             const std::optional<Value>& absent = std::nullopt);

}  // namespace deduce::jinja
