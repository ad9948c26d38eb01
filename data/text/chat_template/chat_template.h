// Chat templates of Hugging Face models: a conversation to the text that the model was trained on,
// the same as transformers' apply_chat_template(tokenize=False) gives. An interpreter of the part
// of Jinja that published templates use; what it does not know is an error that names the line and
// the construct, never another prompt.
#pragma once

#include <ctime>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"

namespace deduce {

struct ChatOptions {
  // Ends the text with the header of the assistant's next message.
  bool add_generation_prompt = false;
  // Ends the text within the last message, for the model to go on with it. Not together with the
  // above.
  bool continue_final_message = false;
  // Further variables of the template, an object: "enable_thinking", "bos_token", ...; not owned.
  // "tools" is what transformers calls so: a list of JSON values, such as {"type": "function",
  // "function": {...}}, which a template that knows them writes in front of the conversation.
  const nlohmann::ordered_json* variables = nullptr;
  // The time that templates see when they ask for the date; none: now.
  std::optional<std::time_t> now;
};

// Immutable; may be used from several threads.
class ChatTemplate {
 public:
  // `where` stands for the template in messages. `special_tokens`: variables such as bos_token;
  // those that the tokenizer has not are left out. Errors: InvalidArgument, `WHERE:LINE: found X,
  // expected Y`.
  static absl::StatusOr<ChatTemplate> Parse(std::string_view text, const std::string& where,
                                            std::map<std::string, std::string> special_tokens = {});

  // `messages`: [{"role", "content", ...}, ...]. Errors: InvalidArgument; the template's read as
  // above, the conversation's `messages: ...`, those of options `chat options: ...`.
  absl::StatusOr<std::string> Render(const nlohmann::ordered_json& messages,
                                     const ChatOptions& options = {}) const;

  const std::string& text() const { return text_; }
  const std::map<std::string, std::string>& special_tokens() const { return special_tokens_; }

 private:
  struct Parsed;
  ChatTemplate() = default;

  std::string text_, where_;
  std::map<std::string, std::string> special_tokens_;
  std::shared_ptr<const Parsed> parsed_;
};

// The status of a tokenizer without a template: NotFound.
inline absl::Status NoChatTemplate() {
  return absl::NotFoundError("found no chat template, expected one beside the tokenizer");
}

}  // namespace deduce
