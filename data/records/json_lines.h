// A file of JSON objects, one a line, read with errors that name file and line.
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"

namespace deduce {

// Calls body(where, object) for each line of the file at path; `where` is "PATH:LINE", lines
// from 1. A last line without its line feed that is no whole JSON text is the one being written by
// a run that still goes: it is left out. Errors: LineReader's (NotFound for a missing file);
// InvalidArgument "PATH:LINE: found X, expected Y" for any other line that is not a JSON object;
// the first error that body returns.
absl::Status ForEachJsonLine(const std::string& path,
                             const std::function<absl::Status(const std::string& where,
                                                              const nlohmann::json& object)>& body);

// InvalidArgument "WHERE: found KEY VALUE, expected EXPECTED" on one line, long values cut.
absl::Status FieldError(const std::string& where, const std::string& key,
                        const nlohmann::json& value, const std::string& expected);

// The string at `key` of `object`. Errors: InvalidArgument naming `where` when it is missing or no
// string.
absl::Status ReadString(const std::string& where, const nlohmann::json& object,
                        const std::string& key, std::string* value);

// The integer at `key` of `object`, at least 0. Errors: InvalidArgument naming `where` otherwise.
absl::Status ReadCount(const std::string& where, const nlohmann::json& object,
                       const std::string& key, int64_t* value);

}  // namespace deduce
