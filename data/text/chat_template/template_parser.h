// Tokens to a template: text, output and the tags if, for, set, macro, call, filter, with,
// generation, break, continue.
#pragma once

#include <string>
#include <string_view>

#include "data/text/chat_template/syntax_tree.h"

namespace deduce::jinja {

// A template with its scopes found. Errors: `WHERE:LINE: found X, expected Y`; tags that Jinja has
// and we have not are among them.
absl::StatusOr<Template> ParseTemplate(std::string_view source, const std::string& where);

}  // namespace deduce::jinja
