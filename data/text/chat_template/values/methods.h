// Calls of the methods of Python's str, list, tuple and dict, and of `loop`.
#pragma once

#include "data/text/chat_template/values/arguments.h"
#include "data/text/chat_template/values/value.h"

namespace deduce::jinja {

// `method` is what GetAttribute gave. Errors: methods that are not built, arguments that Python
// would refuse.
absl::StatusOr<Value> CallMethod(const Function& method, const Arguments& arguments);

}  // namespace deduce::jinja
