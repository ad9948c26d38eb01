// The functions that every template may call: raise_exception, strftime_now, range, dict,
// namespace.
#pragma once

#include <ctime>
#include <optional>
#include <string>

#include "data/text/chat_template/values/arguments.h"
#include "data/text/chat_template/values/value.h"

namespace deduce::jinja {

// The function of that name; nothing if Jinja and transformers have none.
std::optional<Value> FindGlobal(const std::string& name);

// `now` is what strftime_now tells, in local time. Errors: raise_exception, always; functions that
// Jinja has and we have not; arguments that Python would refuse.
absl::StatusOr<Value> CallGlobal(const std::string& name, const Arguments& arguments,
                                 std::time_t now);

}  // namespace deduce::jinja
