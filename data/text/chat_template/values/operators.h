// Python's operators on values. Wrong types are errors, as in Python; so are integers that leave 64
// bits.
#pragma once

#include <string>

#include "data/text/chat_template/values/value.h"

namespace deduce::jinja {

// op: + - * / // % **.
absl::StatusOr<Value> Arithmetic(const std::string& op, const Value& a, const Value& b);

// op: + or -.
absl::StatusOr<Value> Signed(const std::string& op, const Value& value);

// op: == != < > <= >= in "not in".
absl::StatusOr<bool> Compare(const std::string& op, const Value& a, const Value& b);

// Python's < for sorting. Error: kinds without an order.
absl::StatusOr<bool> Less(const Value& a, const Value& b);

}  // namespace deduce::jinja
