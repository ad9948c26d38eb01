// `value.name`, `value[key]` and `value[start:stop:step]`, as Jinja's immutable sandbox gives them.
#pragma once

#include <string>

#include "data/text/chat_template/values/value.h"

namespace deduce::jinja {

// An attribute of the Python object if there is one (a method: a function to be called), else the
// item of that name, else undefined. Methods that would change their object are undefined too.
// Errors: an undefined value; names of Python's internals.
absl::StatusOr<Value> GetAttribute(const Value& value, const std::string& name);

// An item if there is one, else for a string key the attribute, else undefined. Error: an undefined
// value.
absl::StatusOr<Value> GetItem(const Value& value, const Value& key);

// Each bound may be None. Undefined where Python would raise TypeError. Errors: an undefined value,
// a step of 0.
absl::StatusOr<Value> GetSlice(const Value& value, const Value& start, const Value& stop,
                               const Value& step);

}  // namespace deduce::jinja
