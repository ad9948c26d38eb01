#include "data/records/chat_text.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "nlohmann/json.hpp"

namespace deduce {
namespace {

using OrderedJson = nlohmann::ordered_json;

absl::Status WrongConversation(const std::string& found, const std::string& expected) {
  return absl::InvalidArgumentError(
      absl::StrCat("messages: found ", found, ", expected ", expected));
}

bool HasToolCalls(const OrderedJson& messages) {
  return std::any_of(messages.begin(), messages.end(), [](const OrderedJson& message) {
    const auto calls = message.find("tool_calls");
    return calls != message.end() && !calls->empty();
  });
}

absl::StatusOr<std::string> JoinedContents(const OrderedJson& messages, const OrderedJson* tools) {
  if (tools != nullptr) return WrongConversation("tools", "none without a chat template");
  if (HasToolCalls(messages))
    return WrongConversation("tool_calls", "none without a chat template");
  std::string text;
  for (size_t i = 0; i < messages.size(); ++i) {
    const auto content = messages[i].find("content");
    if (content == messages[i].end() || !content->is_string()) {
      return WrongConversation("a message without a text",
                               "a chat template, which writes tool calls");
    }
    absl::StrAppend(&text, i == 0 ? "" : "\n", content->get<std::string>());
  }
  return text;
}

absl::StatusOr<std::string> Render(const OrderedJson& messages, const ChatTemplate& chat_template,
                                   const OrderedJson* tools, bool as_prompt) {
  OrderedJson variables = OrderedJson::object();
  if (tools != nullptr) {
    // A template that does not know the word would leave them out without one.
    if (chat_template.text().find("tools") == std::string::npos)
      return WrongConversation("tools", "none, as the chat template does not read them");
    variables["tools"] = *tools;
  }
  if (HasToolCalls(messages) && chat_template.text().find("tool_calls") == std::string::npos)
    return WrongConversation("tool_calls", "none, as the chat template does not read them");
  return chat_template.Render(messages,
                              {.add_generation_prompt = as_prompt, .variables = &variables});
}

// Where the last end token of a text begins and ends, if nothing but white space follows it; else
// the text's end, twice.
TextSpan EndOf(const std::string& text, const ChatTemplate& chat_template) {
  const TextSpan none{text.size(), text.size()};
  const auto end = chat_template.special_tokens().find("eos_token");
  if (end == chat_template.special_tokens().end() || end->second.empty()) return none;
  const size_t at = text.rfind(end->second);
  if (at == std::string::npos) return none;
  const size_t behind = at + end->second.size();
  if (text.find_first_not_of(" \n\r\t", behind) != std::string::npos) return none;
  return {at, behind};
}

bool IsLearned(const OrderedJson& message, bool without_weight) {
  if (message.at("role") != "assistant") return false;
  const auto weight = message.find("weight");
  return weight == message.end() || weight->is_null() ? without_weight : *weight != 0;
}

OrderedJson First(const OrderedJson& messages, size_t count) {
  return OrderedJson(messages.begin(), messages.begin() + static_cast<std::ptrdiff_t>(count));
}

// Message i in `whole`, the text of all messages. Nothing if the template writes it elsewhere when
// the conversation goes on, or otherwise than its prompt ends.
absl::StatusOr<TextSpan> SpanOf(const OrderedJson& messages, size_t i, const std::string& whole,
                                const ChatTemplate& chat_template, const OrderedJson* tools) {
  if (i == 0) {
    return WrongConversation("the assistant's message first",
                             "one before it, as an answer has a prompt, or a \"weight\" of 0");
  }
  ASSIGN_OR_RETURN(const std::string prompt,
                   Render(First(messages, i), chat_template, tools, /*as_prompt=*/true));
  ASSIGN_OR_RETURN(const std::string text,
                   Render(First(messages, i + 1), chat_template, tools, /*as_prompt=*/false));
  if (!text.starts_with(prompt) || !whole.starts_with(text)) {
    return WrongConversation(
        absl::StrCat("a chat template that writes message ", i,
                     " differently when the conversation goes on, or from where its prompt ends"),
        "the same text, as the model would learn another answer than it is to give (a \"weight\" "
        "of 0, or an end of the conversation there, avoids it)");
  }
  return TextSpan{prompt.size(), EndOf(text, chat_template).end};
}

}  // namespace

absl::StatusOr<TextPrompt> ChatPrompt(const OrderedJson& messages,
                                      const absl::StatusOr<ChatTemplate>& chat_template,
                                      const OrderedJson* tools) {
  TextPrompt prompt;
  if (absl::IsNotFound(chat_template.status())) {
    ASSIGN_OR_RETURN(prompt.text, JoinedContents(messages, tools));
    return prompt;
  }
  RETURN_IF_ERROR(chat_template.status());
  ASSIGN_OR_RETURN(prompt.text, Render(messages, *chat_template, tools, /*as_prompt=*/true));
  prompt.whole = true;
  return prompt;
}

absl::StatusOr<TextSample> ChatSample(const OrderedJson& messages,
                                      const absl::StatusOr<ChatTemplate>& chat_template,
                                      const OrderedJson* tools) {
  const OrderedJson given = First(messages, messages.size() - 1);
  if (absl::IsNotFound(chat_template.status())) {
    TextSample sample;
    ASSIGN_OR_RETURN(sample.prompt, JoinedContents(given, tools));
    ASSIGN_OR_RETURN(sample.completion,
                     JoinedContents(OrderedJson::array({messages.back()}), tools));
    return sample;
  }
  if (given.empty()) return WrongConversation("one message", "some before the assistant's");
  ASSIGN_OR_RETURN(TextPrompt prompt, ChatPrompt(given, chat_template, tools));
  ASSIGN_OR_RETURN(const std::string whole,
                   Render(messages, *chat_template, tools, /*as_prompt=*/false));
  if (!whole.starts_with(prompt.text)) {
    return WrongConversation(
        "a chat template that writes the last message differently from where its prompt ends",
        "the same text up to there (give prompt and completion instead)");
  }
  std::string completion = whole.substr(prompt.text.size());
  completion.resize(EndOf(completion, *chat_template).begin);
  return TextSample{std::move(prompt.text), std::move(completion), true};
}

absl::StatusOr<TextSample> ChatTurns(const OrderedJson& messages, bool every_turn,
                                     const absl::StatusOr<ChatTemplate>& chat_template,
                                     const OrderedJson* tools) {
  if (absl::IsNotFound(chat_template.status())) {
    return WrongConversation("no chat template",
                             "one, where several messages or chosen ones are learned");
  }
  RETURN_IF_ERROR(chat_template.status());
  OrderedJson plain = messages;  // templates need not know weights
  for (OrderedJson& message : plain) message.erase("weight");
  ASSIGN_OR_RETURN(const std::string whole,
                   Render(plain, *chat_template, tools, /*as_prompt=*/false));
  TextSample sample{.completion = whole.substr(0, EndOf(whole, *chat_template).begin),
                    .whole = true};
  for (size_t i = 0; i < plain.size(); ++i) {
    const bool last = i + 1 == plain.size();
    if (!IsLearned(messages[i], every_turn || last)) continue;
    ASSIGN_OR_RETURN(TextSpan span, SpanOf(plain, i, whole, *chat_template, tools));
    if (last) {
      span.end = sample.completion.size();
      span.begin = std::min(span.begin, span.end);  // an answer of no more than its end
    }
    sample.learned.push_back(span);
  }
  if (!sample.learned.empty()) return sample;
  return WrongConversation("nothing to learn", "an assistant's message without a \"weight\" of 0");
}

}  // namespace deduce
