// What every single field may hold: which are required, and the range of each number.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <string>

#include "absl/status/status.h"

namespace deduce {

// Checks `message` and all messages in it; `path` is its own field path ("" for the whole config).
// InvalidArgument, naming the field path, for the first field that is missing, not finite, out of
// range, or a string with control characters.
absl::Status CheckFields(const google::protobuf::Message& message, const std::string& path);

// Whether the table has a range for a number field.
bool HasRange(const google::protobuf::FieldDescriptor* field);

// InvalidArgument: `PATH: found FOUND, expected EXPECTED`.
absl::Status ConfigError(const std::string& path, const std::string& found,
                         const std::string& expected);

}  // namespace deduce
