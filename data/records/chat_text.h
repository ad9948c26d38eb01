// Conversations as the texts that a model is trained on and asked with.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/text/chat_template/chat_template.h"
#include "nlohmann/json_fwd.hpp"

namespace deduce {

// Bytes begin to end - 1 of a text.
struct TextSpan {
  size_t begin = 0, end = 0;
};

// What is given and what is to be learned.
struct TextSample {
  std::string prompt;
  std::string completion;
  bool whole = false;  // the prompt begins as the model's texts do: no begin token is to be added
  // Parts of the completion that are learned, in order; the sample's end is, too, if the last part
  // reaches it. Empty: all of the completion. A sample with parts has no prompt.
  std::vector<TextSpan> learned = {};
};

// What a model is asked with.
struct TextPrompt {
  std::string text;
  bool whole = false;  // as above
};

// `messages`: [{"role", "content", ...}, ...], checked by the reader of a file, the last one the
// user's or a tool's. By the template, with the header of the assistant's answer at the end;
// without a template (NotFound), the contents with a line feed between each two. `tools`: what the
// template may offer the model, null for none. Errors: the template's; tools for a template that
// does not read them.
absl::StatusOr<TextPrompt> ChatPrompt(const nlohmann::ordered_json& messages,
                                      const absl::StatusOr<ChatTemplate>& chat_template,
                                      const nlohmann::ordered_json* tools = nullptr);

// The same where the last message is the assistant's: that message is the completion, without the
// end token that the template writes behind it, since a sample's end is added to every completion.
// Errors: the template's; a template that writes an answer differently from where its prompt ends
// (such as one that cuts reasoning out), because the model would be trained on another prompt than
// it is asked with.
absl::StatusOr<TextSample> ChatSample(const nlohmann::ordered_json& messages,
                                      const absl::StatusOr<ChatTemplate>& chat_template,
                                      const nlohmann::ordered_json* tools = nullptr);

// The same with the whole conversation as completion, in which the assistant's messages are learned
// whose "weight" is 1, and of those without a weight the last one, or (every_turn) all. A message
// is learned from where its prompt ends to its end token. Found by writing the conversation up to
// each message. Errors: as above, where the conversation up to a message is not the beginning of
// the whole one; no template; nothing to learn.
absl::StatusOr<TextSample> ChatTurns(const nlohmann::ordered_json& messages, bool every_turn,
                                     const absl::StatusOr<ChatTemplate>& chat_template,
                                     const nlohmann::ordered_json* tools = nullptr);

}  // namespace deduce
