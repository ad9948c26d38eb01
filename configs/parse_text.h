// Text format with errors a person can act on: where, which field, what was found and what would
// have been right.
#pragma once

#include <google/protobuf/descriptor.h>

#include <string>

#include "absl/status/statusor.h"
#include "configs/run.pb.h"

namespace deduce {

// Parses `text`. InvalidArgument, one line: `SOURCE:LINE:COLUMN: FIELD: found X, expected Y`, lines
// and columns from 1.
absl::StatusOr<RunConfig> ParseConfigText(const std::string& text, const std::string& source);

// The names of a oneof's members, for messages.
std::string MemberNames(const google::protobuf::OneofDescriptor* oneof);

}  // namespace deduce
