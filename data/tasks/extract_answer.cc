#include "data/tasks/extract_answer.h"

namespace deduce {

std::optional<std::string_view> ExtractAnswer(std::string_view completion) {
  constexpr std::string_view kOpen = "<answer>";
  const size_t close = completion.rfind("</answer>");
  if (close == std::string_view::npos) return std::nullopt;
  const std::string_view before = completion.substr(0, close);
  const size_t open = before.rfind(kOpen);
  if (open == std::string_view::npos) return std::nullopt;
  return before.substr(open + kOpen.size());
}

}  // namespace deduce
