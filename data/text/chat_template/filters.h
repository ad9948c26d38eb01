// Jinja's filters by name, and those that call other filters and tests: map, select, selectattr and
// their like.
#pragma once

#include <string>

#include "data/text/chat_template/values/arguments.h"
#include "data/text/chat_template/values/value.h"

namespace deduce::jinja {

// `input|NAME(arguments)`. Errors: a filter that is not built, arguments that Jinja would refuse.
absl::StatusOr<Value> ApplyFilter(const std::string& name, const Value& input,
                                  const Arguments& arguments);

}  // namespace deduce::jinja
