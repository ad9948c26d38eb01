#include "data/records/chat_text.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "nlohmann/json.hpp"

namespace deduce {
namespace {

using OrderedJson = nlohmann::ordered_json;

std::string JoinedContents(const OrderedJson& messages) {
  std::string text;
  for (size_t i = 0; i < messages.size(); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : "\n", messages[i].at("content").get<std::string>());
  }
  return text;
}

// `text` up to the last end token, if nothing but white space follows it.
std::string WithoutEnd(const std::string& text, const ChatTemplate& chat_template) {
  const auto end = chat_template.special_tokens().find("eos_token");
  if (end == chat_template.special_tokens().end() || end->second.empty()) return text;
  const size_t at = text.rfind(end->second);
  if (at == std::string::npos) return text;
  const bool last = text.find_first_not_of(" \n\r\t", at + end->second.size()) == std::string::npos;
  return last ? text.substr(0, at) : text;
}

}  // namespace

absl::StatusOr<TextPrompt> ChatPrompt(const OrderedJson& messages,
                                      const absl::StatusOr<ChatTemplate>& chat_template) {
  if (absl::IsNotFound(chat_template.status())) return TextPrompt{JoinedContents(messages), false};
  RETURN_IF_ERROR(chat_template.status());
  ASSIGN_OR_RETURN(std::string text,
                   chat_template->Render(messages, {.add_generation_prompt = true}));
  return TextPrompt{std::move(text), true};
}

absl::StatusOr<TextSample> ChatSample(const OrderedJson& messages,
                                      const absl::StatusOr<ChatTemplate>& chat_template) {
  OrderedJson given = messages;
  given.erase(given.size() - 1);
  if (absl::IsNotFound(chat_template.status())) {
    return TextSample{JoinedContents(given), messages.back().at("content").get<std::string>(),
                      false};
  }
  if (given.empty()) {
    return absl::InvalidArgumentError(
        "messages: found one message, expected some before the assistant's");
  }
  ASSIGN_OR_RETURN(TextPrompt prompt, ChatPrompt(given, chat_template));
  ASSIGN_OR_RETURN(const std::string whole, chat_template->Render(messages));
  if (whole.compare(0, prompt.text.size(), prompt.text) != 0) {
    return absl::InvalidArgumentError(
        "messages: found a chat template that writes the last message differently from where its "
        "prompt ends, expected the same text up to there (give prompt and completion instead)");
  }
  std::string completion = WithoutEnd(whole.substr(prompt.text.size()), *chat_template);
  return TextSample{std::move(prompt.text), std::move(completion), true};
}

}  // namespace deduce
