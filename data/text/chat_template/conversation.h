// A conversation made ready for a template, as transformers' apply_chat_template does it.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace deduce {

// A list of messages without the fields that are null, and with reasoning under both names that
// templates read: `reasoning_content` and `thinking`, from the first of reasoning_content,
// thinking, reasoning that is there. Errors
// (`messages: found X, expected Y`): not a list of objects, or an empty one.
absl::StatusOr<nlohmann::ordered_json> PrepareConversation(const nlohmann::ordered_json& messages);

// The content of the last message, or the last text among its parts, which gets a mark behind it
// that CutAtMark finds again. Error: a last message without a text.
absl::StatusOr<std::string> MarkFinalMessage(nlohmann::ordered_json& messages);

// `rendered` up to the mark: a prompt that the model goes on with. `final_message` is what
// MarkFinalMessage gave. Error: a template that left out or changed the message.
absl::StatusOr<std::string> CutAtMark(std::string rendered, const std::string& final_message);

}  // namespace deduce
