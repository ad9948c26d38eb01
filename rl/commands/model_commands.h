// The commands that use a trained model on text: generate, logprobs, tokenize, detokenize. Results
// go to `out` as lines; errors carry their exit code (2: command line, 3: data or model).
#pragma once

#include <iosfwd>

#include "absl/status/status.h"
#include "rl/commands/command_line.h"

namespace deduce {

// --prompt or --prompts (JSON lines with "prompt", a text or messages, or "messages"): one JSON
// line a completion: prompt, completion, tokens, logprobs, finished. Messages, and with --chat
// texts as a user's message, are put by the model's chat template.
absl::Status GenerateCommand(const Arguments& arguments, std::ostream& out);

// {"tokens": [t0 .. tn]} lines -> {"logprobs": [n values]}: log p(t_i | t_0 .. t_{i-1}), fp32.
absl::Status LogProbsCommand(const Arguments& arguments, std::ostream& out);

// Text lines on `in` (with --json, JSON strings) -> JSON arrays of ids, with the tokens that the
// tokenizer puts around a text if --add_special_tokens. And back, to JSON strings, without special
// tokens if --skip_special_tokens. --model may be any folder with a tokenizer.json.
absl::Status TokenizeCommand(const Arguments& arguments, std::istream& in, std::ostream& out);
absl::Status DetokenizeCommand(const Arguments& arguments, std::istream& in, std::ostream& out);

}  // namespace deduce
