// Between JSON and values: conversations in, the filter `tojson` out.
#pragma once

#include <optional>
#include <string>

#include "data/text/chat_template/values/value.h"
#include "nlohmann/json.hpp"

namespace deduce::jinja {

// Errors: integers beyond 64 bits signed, text that is not UTF-8, more than kMaxNesting levels.
absl::StatusOr<Value> FromJson(const nlohmann::ordered_json& json);

struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;  // a level's white space; none: all on one line
  std::optional<std::string> item_separator;
  std::optional<std::string> key_separator;
};

// json.dumps. Errors: what JSON has no form for (undefined values, generators and the like), keys
// that cannot be sorted, more than kMaxText bytes.
absl::StatusOr<std::string> ToJson(const Value& value, const JsonStyle& style);

}  // namespace deduce::jinja
