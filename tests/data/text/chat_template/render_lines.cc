// Renders chat templates for a test in another language: JSON lines {"template", "messages",
// "variables", "add_generation_prompt", "continue_final_message", "now"} in, {"text"} or {"error"}
// out, in their order.
#include <iostream>
#include <string>

#include "data/text/chat_template/chat_template.h"
#include "nlohmann/json.hpp"

namespace {

using Json = nlohmann::ordered_json;

absl::StatusOr<std::string> Render(const Json& request) {
  const auto chat =
      deduce::ChatTemplate::Parse(request.at("template").get_ref<const std::string&>(), "template");
  if (!chat.ok()) return chat.status();
  deduce::ChatOptions options;
  options.add_generation_prompt = request.value("add_generation_prompt", false);
  options.continue_final_message = request.value("continue_final_message", false);
  if (request.contains("variables")) options.variables = &request.at("variables");
  if (request.contains("now")) options.now = request.at("now").get<int64_t>();
  return chat->Render(request.at("messages"), options);
}

}  // namespace

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    const absl::StatusOr<std::string> text = Render(Json::parse(line));
    const Json answer =
        text.ok() ? Json{{"text", *text}} : Json{{"error", text.status().message()}};
    std::cout << answer.dump(-1, ' ', true) << "\n";
  }
}
