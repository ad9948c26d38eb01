#include "data/text/chat_template/conversation.h"

#include <algorithm>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/text/chat_template/values/python_text.h"

namespace deduce {
namespace {

using OrderedJson = nlohmann::ordered_json;

// The mark is transformers', trailing space included: whether the space survives tells whether the
// template trims.
constexpr std::string_view kMark = "CONTINUE_FINAL_MESSAGE_TAG ";

absl::Status WrongMessages(const std::string& found, const std::string& expected) {
  return absl::InvalidArgumentError(
      absl::StrCat("messages: found ", found, ", expected ", expected));
}

// Reasoning under the names that templates read.
OrderedJson WithReasoning(const OrderedJson& message) {
  for (const char* name : {"reasoning_content", "thinking", "reasoning"}) {
    const auto found = message.find(name);
    if (found == message.end()) continue;
    OrderedJson copy = OrderedJson::object();
    copy["thinking"] = *found;
    for (const auto& [key, value] : message.items()) copy[key] = value;
    copy["reasoning_content"] = *found;
    return copy;
  }
  return message;
}

}  // namespace

absl::StatusOr<OrderedJson> PrepareConversation(const OrderedJson& messages) {
  if (!messages.is_array()) return WrongMessages(messages.type_name(), "a list");
  if (messages.empty()) return WrongMessages("an empty conversation", "at least one message");
  OrderedJson prepared = OrderedJson::array();
  for (const OrderedJson& message : messages) {
    if (!message.is_object())
      return WrongMessages(message.type_name(), "an object for each message");
    OrderedJson kept = OrderedJson::object();
    for (const auto& [key, value] : message.items()) {
      if (!value.is_null()) kept[key] = value;
    }
    prepared.push_back(WithReasoning(kept));
  }
  return prepared;
}

absl::StatusOr<std::string> MarkFinalMessage(OrderedJson& messages) {
  const auto content = messages.back().find("content");
  OrderedJson* text = content == messages.back().end() ? nullptr : &*content;
  if (text && text->is_array()) {
    // The last part with a text holds the message's text.
    const auto part = std::find_if(text->rbegin(), text->rend(), [](const OrderedJson& candidate) {
      return candidate.is_object() && candidate.contains("text");
    });
    text = part == text->rend() ? nullptr : &(*part)["text"];
  }
  if (!text || !text->is_string()) {
    return WrongMessages("no text as content of the last message", "one to continue");
  }
  std::string final_message = text->get<std::string>();
  *text = absl::StrCat(final_message, absl::string_view(kMark.data(), kMark.size()));
  return final_message;
}

absl::StatusOr<std::string> CutAtMark(std::string rendered, const std::string& final_message) {
  const std::string_view stripped = jinja::Strip(final_message, jinja::Side::kBoth);
  const size_t mark = rendered.rfind(kMark.substr(0, kMark.size() - 1));
  if (rendered.find(stripped) == std::string::npos || mark == std::string::npos) {
    return WrongMessages("a last message that the template leaves out or changes",
                         "one to continue");
  }
  const bool keeps_space = std::string_view(rendered).substr(mark, kMark.size()) == kMark;
  rendered.resize(mark);
  if (!keeps_space) {
    // The template trims: what the text ended with is not part of the prompt.
    rendered.resize(jinja::Strip(rendered, jinja::Side::kRight).size());
  }
  return rendered;
}

}  // namespace deduce
