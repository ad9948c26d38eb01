// JSON from elsewhere. Its depth is bounded here, once, because copying, printing and comparing a
// value follow its depth on the stack; and every pass over a text is linear in it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace deduce {

// Levels of arrays and objects.
inline constexpr int kDeepestJson = 64;
// Names in one object whose order is kept, for each new name is compared with those before it.
inline constexpr size_t kMostOrderedNames = 1000;

// The value that a text holds; Value is nlohmann::json or nlohmann::ordered_json. InvalidArgument,
// `WHERE: found X, expected EXPECTED`: text that is not JSON (with the byte where that shows,
// from 1, and the reason), not UTF-8, deeper than kDeepestJson, or with more names than
// kMostOrderedNames in an object of ordered_json. A name that stands twice in an object has the
// last value.
template <typename Value>
absl::StatusOr<Value> ParseJson(std::string_view text, const std::string& where,
                                const std::string& expected);

// The object that a file's text holds. Errors as above, and for a value that is no object or has an
// object that names a member twice.
absl::StatusOr<nlohmann::json> ParseJsonObject(std::string_view text, const std::string& where);

// A name from outside: quoted, escaped and cut, so that a message stays one line.
std::string QuotedName(const std::string& name);

}  // namespace deduce
