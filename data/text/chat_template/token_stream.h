// Tokens under a parser's hands.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "data/text/chat_template/lexer.h"

namespace deduce::jinja {

// Never moves beyond the kEnd token.
class TokenStream {
 public:
  explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  const Token& Now() const { return tokens_[at_]; }
  const Token& Ahead() const { return tokens_[at_ + (at_ + 1 < tokens_.size())]; }
  int line() const { return Now().line; }

  bool IsName(std::string_view name) const {
    return Now().kind == TokenKind::kName && Now().text == name;
  }
  bool IsOperator(std::string_view op) const {
    return Now().kind == TokenKind::kOperator && Now().text == op;
  }

  // Moves on and returns what it moved over.
  const Token& Take() {
    const Token& token = Now();
    if (token.kind != TokenKind::kEnd) ++at_;
    return token;
  }
  bool TakeName(std::string_view name);
  bool TakeOperator(std::string_view op);

  // Errors: another token, `found X, expected Y`.
  absl::Status ExpectOperator(std::string_view op);
  absl::Status ExpectName(std::string_view name);
  absl::Status Expect(TokenKind kind, std::string_view what);

  // The present token in words.
  std::string Describe() const;

 private:
  std::vector<Token> tokens_;
  size_t at_ = 0;
};

}  // namespace deduce::jinja
