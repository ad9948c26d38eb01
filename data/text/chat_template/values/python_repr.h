// str() and repr() of values, as Python writes them.
#pragma once

#include <string>

#include "data/text/chat_template/values/value.h"

namespace deduce::jinja {

// repr() of a float: the fewest digits that read back as the same number, 1e+16 and 1e-05 in
// exponents.
std::string FloatRepr(double value);

// repr() of a string: quotes and escapes. Error: a character beyond ASCII of which it is not known
// here whether Python would escape it.
absl::StatusOr<std::string> StringRepr(const std::string& text);

// str(): what `{{ value }}` prints. Undefined is empty. Errors: functions, generators, namespaces
// and the like, whose texts have addresses in them; those of StringRepr.
absl::StatusOr<std::string> Str(const Value& value);

}  // namespace deduce::jinja
