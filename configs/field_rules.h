// Rules for every single field: which are required, the range of each number, and whether a run
// that goes on may have another value.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <optional>
#include <string>

#include "absl/status/status.h"

namespace deduce {

// Checks `message` and all messages in it; `path` is its own field path ("" for the whole config).
// InvalidArgument, naming the field path, for the first field that is missing, not finite, out of
// range, or a string with control characters.
absl::Status CheckFields(const google::protobuf::Message& message, const std::string& path);

// Whether the table has a range for a number field.
bool HasRange(const google::protobuf::FieldDescriptor* field);

// Whether the tables have any row of a message. Of one without rows, numbers are finite and no
// field may change when a run goes on; whoever reads it checks the rest, before any work.
bool HasRules(const google::protobuf::Descriptor* message);

// The part of a run that a field decides (see resume_rules).
enum class ResumeClass {
  kFree,        // decides no number: how ranks are used, where files lie, what is saved how often
  kFromHereOn,  // decides the steps to come; recorded
  kNever,       // decides what was computed so far
};

// None if the table has rows of the field's message and lacks the field.
std::optional<ResumeClass> ResumeClassOf(const google::protobuf::FieldDescriptor* field);

// InvalidArgument: `PATH: found FOUND, expected EXPECTED`.
absl::Status ConfigError(const std::string& path, const std::string& found,
                         const std::string& expected);

}  // namespace deduce
