// Which names each block of a template binds, and how. As in Jinja this follows from the text
// alone: a name that is first set in a block is undefined there until then, even where the
// conversation has a variable of that name.
#pragma once

#include "data/text/chat_template/syntax_tree.h"

namespace deduce::jinja {

// Fills in every scope of the template. Error: the names varargs and kwargs within a macro, which
// are not supported; `line` is then where.
absl::Status FindScopes(Template& whole, int& line);

}  // namespace deduce::jinja
