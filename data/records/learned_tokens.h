// Which tokens of a text are learned, where parts of it are.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/records/chat_text.h"
#include "data/text/tokenizer/tokenizer.h"

namespace deduce {

// 1 for each of `ids`, the tokens of the whole `text`, that holds something of a span, else 0. The
// spans are in order and begin and end between characters. Errors: those of Encode;
// InvalidArgument where a tokenizer changes the text so that a place in it cannot be found among
// its tokens.
absl::StatusOr<std::vector<uint8_t>> LearnedTokens(const Tokenizer& tokenizer,
                                                   const std::string& text,
                                                   const std::vector<int32_t>& ids,
                                                   const std::vector<TextSpan>& spans);

}  // namespace deduce
