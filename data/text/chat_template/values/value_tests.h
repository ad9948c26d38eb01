// Jinja's tests: what stands behind `is`.
#pragma once

#include <string>

#include "data/text/chat_template/values/arguments.h"
#include "data/text/chat_template/values/value.h"

namespace deduce::jinja {

// Whether `value is NAME(arguments)`. Errors: a test that is not built, arguments that Jinja would
// refuse.
absl::StatusOr<bool> ApplyTest(const std::string& name, const Value& value,
                               const Arguments& arguments);

}  // namespace deduce::jinja
