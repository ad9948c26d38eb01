// A template rendered for a test.
#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "data/text/chat_template/evaluator.h"
#include "data/text/chat_template/renderer.h"
#include "data/text/chat_template/template_parser.h"

namespace deduce::jinja {

// The text, or the error as `LINE: found X, expected Y` (parse errors with the name "t").
inline std::string Rendered(const std::string& text, const Variables& variables = {},
                            std::time_t now = 0) {
  const absl::StatusOr<Template> whole = ParseTemplate(text, "t");
  if (!whole.ok()) return std::string(whole.status().message());
  const absl::StatusOr<std::string> result = RenderTemplate(*whole, variables, now);
  if (result.ok()) return *result;
  return absl::StrCat(LineOf(result.status()), ": ", std::string(result.status().message()));
}

// The same for one expression, printed.
inline std::string Printed(const std::string& expression, const Variables& variables = {}) {
  return Rendered("{{ " + expression + " }}", variables);
}

}  // namespace deduce::jinja
