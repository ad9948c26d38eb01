// Runs a parsed template.
#pragma once

#include <ctime>
#include <string>

#include "data/text/chat_template/frame.h"
#include "data/text/chat_template/syntax_tree.h"

namespace deduce::jinja {

// The text that the template gives for these variables. Errors: AtLine
// (data/text/chat_template/evaluator.h).
absl::StatusOr<std::string> RenderTemplate(const Template& whole, const Variables& variables,
                                           std::time_t now);

}  // namespace deduce::jinja
