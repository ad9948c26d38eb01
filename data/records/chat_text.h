// Conversations as the texts that a model is trained on and asked with.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "data/text/chat_template/chat_template.h"
#include "nlohmann/json_fwd.hpp"

namespace deduce {

// What is given and what is to be learned.
struct TextSample {
  std::string prompt;
  std::string completion;
  bool whole = false;  // the prompt begins as the model's texts do: no begin token is to be added
};

// What a model is asked with.
struct TextPrompt {
  std::string text;
  bool whole = false;  // as above
};

// `messages`: [{"role", "content", ...}, ...], checked by the reader of a file, the last one the
// user's or a tool's. By the template, with the header of the assistant's answer at the end;
// without a template (NotFound), the contents with a line feed between each two. Errors: the
// template's.
absl::StatusOr<TextPrompt> ChatPrompt(const nlohmann::ordered_json& messages,
                                      const absl::StatusOr<ChatTemplate>& chat_template);

// The same where the last message is the assistant's: that message is the completion, without the
// end token that the template writes behind it, since a sample's end is added to every completion.
// Errors: the template's; a template that writes an answer differently from where its prompt ends
// (such as one that cuts reasoning out), because the model would be trained on another prompt than
// it is asked with.
absl::StatusOr<TextSample> ChatSample(const nlohmann::ordered_json& messages,
                                      const absl::StatusOr<ChatTemplate>& chat_template);

}  // namespace deduce
