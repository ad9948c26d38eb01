// The tokens that a model ends its completions with, besides the tokenizer's own end token.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "data/text/chat_template/chat_template.h"

namespace deduce {

// The field eos_token_id of a generation_config.json or config.json: a number, a list of numbers,
// or null. In the order of the file. Error: `WHERE: eos_token_id: found X, expected Y`.
absl::StatusOr<std::vector<int32_t>> ReadEosTokenIds(std::string_view json,
                                                     const std::string& where);

// Reads the ids in generation_config.json and config.json of a folder, each once, in that order; a
// file that is not there has none. Errors: of reading, and as above.
absl::StatusOr<std::vector<int32_t>> LoadEosTokenIds(const std::string& folder);

// A generation_config.json (or "" for a new one) with these ids in the place of its own.
absl::StatusOr<std::string> WithEosTokenIds(const std::string& json,
                                            const std::vector<int32_t>& ids);

// The text that a template writes behind an assistant's last message, without white space in front;
// "" if there is none, or if the template refuses a conversation of two messages.
std::string TextBehindTurn(const ChatTemplate& chat_template);

}  // namespace deduce
