// A regular expression of a tokenizer file, ready to be looked for.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace deduce {

// A stretch of a text: what an expression matched, or what lies between matches.
struct RegexStretch {
  size_t begin, end;  // bytes
  bool matched;
};

class TokenRegex {
 public:
  // InvalidArgument: `found X, expected Y` (the caller says where), see TranslateRegex.
  static absl::StatusOr<TokenRegex> Compile(std::string_view pattern);
  // One that matches exactly `text`, which is not empty.
  static TokenRegex Literal(std::string_view text);

  // The whole of `text`, valid UTF-8, in order; stretches may be empty where the expression matches
  // nothing. ResourceExhausted if the expression takes too long or too much memory on it.
  absl::StatusOr<std::vector<RegexStretch>> Cut(std::string_view text) const;

 private:
  struct Compiled;
  TokenRegex() = default;

  std::string literal_;  // or, if empty, the expression:
  std::shared_ptr<const Compiled> plain_, extended_;
};

}  // namespace deduce
