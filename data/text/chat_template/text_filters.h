// Jinja's filters that give a string or a number: trim, replace, tojson, int and others.
#pragma once

#include <optional>
#include <string>

#include "data/text/chat_template/values/arguments.h"
#include "data/text/chat_template/values/value.h"

namespace deduce::jinja {

// `input|NAME(arguments)`; nothing if the name is not one of these filters. Errors: as Python's.
absl::StatusOr<std::optional<Value>> ApplyTextFilter(const std::string& name, const Value& input,
                                                     const Arguments& arguments);

}  // namespace deduce::jinja
