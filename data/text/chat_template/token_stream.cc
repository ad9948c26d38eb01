#include "data/text/chat_template/token_stream.h"

#include "absl/strings/str_cat.h"
#include "data/text/chat_template/values/value.h"

namespace deduce::jinja {

bool TokenStream::TakeName(std::string_view name) {
  if (!IsName(name)) return false;
  Take();
  return true;
}

bool TokenStream::TakeOperator(std::string_view op) {
  if (!IsOperator(op)) return false;
  Take();
  return true;
}

absl::Status TokenStream::ExpectOperator(std::string_view op) {
  return TakeOperator(op) ? absl::OkStatus() : Wrong(Describe(), op);
}

absl::Status TokenStream::ExpectName(std::string_view name) {
  return TakeName(name) ? absl::OkStatus() : Wrong(Describe(), name);
}

absl::Status TokenStream::Expect(TokenKind kind, std::string_view what) {
  if (Now().kind != kind) return Wrong(Describe(), what);
  Take();
  return absl::OkStatus();
}

std::string TokenStream::Describe() const {
  switch (Now().kind) {
    case TokenKind::kData:
      return "text";
    case TokenKind::kVariableBegin:
      return "{{";
    case TokenKind::kVariableEnd:
      return "}}";
    case TokenKind::kBlockBegin:
      return "{%";
    case TokenKind::kBlockEnd:
      return "%}";
    case TokenKind::kString:
      return "a string";
    case TokenKind::kEnd:
      return "the end of the template";
    default:
      return absl::StrCat("\"", Now().text, "\"");
  }
}

}  // namespace deduce::jinja
