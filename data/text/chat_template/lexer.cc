#include "data/text/chat_template/lexer.h"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "configs/status.h"
#include "data/text/chat_template/values/python_text.h"
#include "data/text/chat_template/values/value.h"
#include "data/text/utf8.h"

namespace deduce::jinja {
namespace {

// Line ends as \n; one at the very end is dropped.
std::string NormalizeLines(std::string_view source) {
  std::string text;
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      text += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      text += source[i];
    }
  }
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

bool IsNameByte(char byte) {
  return absl::ascii_isalnum(static_cast<unsigned char>(byte)) || byte == '_';
}
bool IsDigit(char byte) { return absl::ascii_isdigit(static_cast<unsigned char>(byte)); }

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)) {}

  absl::Status Run() {
    while (at_ < source_.size()) RETURN_IF_ERROR(ReadData());
    tokens_.push_back({TokenKind::kEnd, "", line_});
    return absl::OkStatus();
  }

  int line() const { return line_; }
  std::vector<Token>& tokens() { return tokens_; }

 private:
  std::string_view Rest() const { return std::string_view(source_).substr(at_); }
  bool Follows(std::string_view text) const { return Rest().substr(0, text.size()) == text; }

  // Moves on by `bytes` and counts lines.
  void Skip(size_t bytes) {
    line_ += std::count(source_.begin() + at_, source_.begin() + at_ + bytes, '\n');
    at_ += bytes;
    line_starts_ = bytes > 0 && source_[at_ - 1] == '\n';
  }

  size_t SpaceAhead(size_t from) const {
    const std::string_view rest = std::string_view(source_).substr(from);
    return rest.size() - Strip(rest, Side::kLeft).size();
  }

  void Push(TokenKind kind, std::string_view text) {
    tokens_.push_back({kind, std::string(text), line_});
  }

  // `text` in front of a tag whose sign is '-', '+' or neither; trimmed as the sign and
  // lstrip_blocks say.
  std::string_view TrimEnd(std::string_view text, char sign, bool is_variable) const {
    if (sign == '-') return Strip(text, Side::kRight);
    if (sign == '+' || is_variable) return text;
    const size_t line_break = text.rfind('\n');
    if (line_break == std::string_view::npos && !line_starts_) return text;
    const size_t begin = line_break == std::string_view::npos ? 0 : line_break + 1;
    return Strip(text.substr(begin), Side::kBoth).empty() ? text.substr(0, begin) : text;
  }

  // Where the next tag begins, or npos. Goes no further than there, so that all tags together take
  // one pass.
  size_t NextTag() const {
    for (size_t i = source_.find('{', at_); i < source_.size(); i = source_.find('{', i + 1)) {
      const char second = i + 1 < source_.size() ? source_[i + 1] : ' ';
      if (second == '%' || second == '{' || second == '#') return i;
    }
    return std::string::npos;
  }

  // Text up to the next tag, and the tag.
  absl::Status ReadData() {
    const size_t tag = NextTag();
    if (tag == std::string::npos) {
      Push(TokenKind::kData, Rest());
      Skip(source_.size() - at_);
      return absl::OkStatus();
    }
    const char opener = source_[tag + 1];
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : ' ';
    const size_t length = sign == '-' || sign == '+' ? 3 : 2;
    const std::string_view text = Rest().substr(0, tag - at_);
    const std::string_view kept = TrimEnd(text, sign, opener == '{');
    if (!kept.empty()) Push(TokenKind::kData, kept);
    Skip(text.size() + length);
    line_starts_ = false;
    if (opener == '#') return ReadComment();
    if (opener == '{') return ReadTag(TokenKind::kVariableBegin, TokenKind::kVariableEnd, "}}");
    if (const size_t raw = RawTagLength(); raw > 0) {
      Skip(raw);
      return ReadRaw();
    }
    return ReadTag(TokenKind::kBlockBegin, TokenKind::kBlockEnd, "%}");
  }

  // The end of a block or a comment at `from`: its bytes with the white space it takes along; 0 if
  // none is there.
  size_t EndLength(size_t from, std::string_view closer) const {
    const std::string_view rest = std::string_view(source_).substr(from);
    if (rest.substr(0, 1) == "-" && rest.substr(1, 2) == closer) return 3 + SpaceAhead(from + 3);
    // Only blocks and comments know a plus and take a line break along.
    const bool trims = closer != "}}";
    if (trims && rest.substr(0, 1) == "+" && rest.substr(1, 2) == closer) return 3;
    if (rest.substr(0, 2) != closer) return 0;
    return 2 + (trims && rest.substr(2, 1) == "\n");
  }

  absl::Status ReadComment() {
    for (size_t i = at_; i < source_.size(); ++i) {
      if (const size_t length = EndLength(i, "#}"); length > 0) {
        Skip(i - at_ + length);
        return absl::OkStatus();
      }
    }
    return Wrong("a comment without an end", "#}");
  }

  // The bytes of ` raw %}` at the front; 0 if another tag stands here.
  size_t RawTagLength() const {
    size_t i = at_ + SpaceAhead(at_);
    if (std::string_view(source_).substr(i, 3) != "raw") return 0;
    i += 3;
    i += SpaceAhead(i);
    const std::string_view rest = std::string_view(source_).substr(i);
    if (rest.substr(0, 3) == "-%}") return i + 3 + SpaceAhead(i + 3) - at_;
    return rest.substr(0, 2) == "%}" ? i + 2 - at_ : 0;
  }

  absl::Status ReadRaw() {
    for (size_t tag = source_.find("{%", at_); tag != std::string::npos;
         tag = source_.find("{%", tag + 1)) {
      const char sign = tag + 2 < source_.size() ? source_[tag + 2] : ' ';
      size_t i = tag + (sign == '-' || sign == '+' ? 3 : 2);
      i += SpaceAhead(i);
      if (std::string_view(source_).substr(i, 6) != "endraw") continue;
      i += 6;
      i += SpaceAhead(i);
      const size_t length = EndLength(i, "%}");
      if (length == 0) continue;
      const std::string_view kept = TrimEnd(Rest().substr(0, tag - at_), sign, false);
      if (!kept.empty()) Push(TokenKind::kData, kept);
      Skip(i + length - at_);
      return absl::OkStatus();
    }
    return Wrong("a raw block without an end", "endraw");
  }

  absl::Status ReadTag(TokenKind begin, TokenKind end, std::string_view closer) {
    Push(begin, "");
    std::string brackets;  // those still to be closed
    while (at_ < source_.size()) {
      const size_t length = brackets.empty() ? EndLength(at_, closer) : 0;
      if (length > 0) {
        Push(end, "");
        Skip(length);
        return absl::OkStatus();
      }
      RETURN_IF_ERROR(ReadToken(brackets));
    }
    return Wrong("a tag without an end", std::string(closer));
  }

  absl::Status ReadToken(std::string& brackets) {
    const char first = source_[at_];
    if (const size_t space = SpaceAhead(at_); space > 0) {
      Skip(space);
      return absl::OkStatus();
    }
    if (IsDigit(first)) return ReadNumber();
    if (first == '"' || first == '\'') return ReadString(first);
    if (IsNameByte(first)) {
      size_t length = 1;
      while (length < Rest().size() && IsNameByte(Rest()[length])) ++length;
      if (length < Rest().size() && static_cast<uint8_t>(Rest()[length]) >= 0x80) {
        return Unsupported("a name beyond ASCII");
      }
      Push(TokenKind::kName, Rest().substr(0, length));
      Skip(length);
      return absl::OkStatus();
    }
    return ReadOperator(brackets);
  }

  absl::Status ReadOperator(std::string& brackets) {
    static constexpr std::string_view kLong[] = {"//", "**", "==", "!=", ">=", "<="};
    static constexpr std::string_view kShort = "+-/*%~[](){}><=.:|,;";
    size_t length = kShort.find(source_[at_]) != kShort.npos ? 1 : 0;
    for (const std::string_view op : kLong) {
      if (Follows(op)) length = 2;
    }
    if (length == 0) {
      const std::string character(Rest().substr(0, CharacterLength(source_, at_)));
      return Wrong(absl::StrCat("the character ", character, " in a tag"), "an expression");
    }
    const std::string_view op = Rest().substr(0, length);
    if (op == "(" || op == "[" || op == "{") {
      brackets += op == "(" ? ')' : op == "[" ? ']' : '}';
    } else if (op == ")" || op == "]" || op == "}") {
      if (brackets.empty() || brackets.back() != op[0]) {
        return Wrong(
            absl::StrCat("a ", std::string(op)),
            brackets.empty() ? "no closing bracket" : brackets.substr(brackets.size() - 1));
      }
      brackets.pop_back();
    }
    Push(TokenKind::kOperator, op);
    Skip(length);
    return absl::OkStatus();
  }

  absl::Status ReadNumber() {
    const std::string_view rest = Rest();
    const auto digits = [&](size_t from) {
      size_t n = 0;
      while (from + n < rest.size() && IsDigit(rest[from + n])) ++n;
      return n;
    };
    size_t length = digits(0);
    bool is_float = false;
    // Behind a dot stands an index, not a number with a point: `x.0.1`.
    const bool is_index = at_ > 0 && source_[at_ - 1] == '.';
    if (!is_index && rest.substr(length, 1) == "." && digits(length + 1) > 0) {
      length += 1 + digits(length + 1);
      is_float = true;
    }
    if (!is_index && (rest.substr(length, 1) == "e" || rest.substr(length, 1) == "E")) {
      const size_t sign = rest.substr(length + 1, 1) == "+" || rest.substr(length + 1, 1) == "-";
      if (const size_t exponent = digits(length + 1 + sign); exponent > 0) {
        length += 1 + sign + exponent;
        is_float = true;
      }
    }
    const std::string_view text = rest.substr(0, length);
    if ((length < rest.size() && IsNameByte(rest[length])) ||
        (!is_float && text.size() > 1 && text[0] == '0')) {
      return Unsupported("a number followed by letters, or led by 0");
    }
    Push(is_float ? TokenKind::kFloat : TokenKind::kInteger, text);
    Skip(length);
    return absl::OkStatus();
  }

  absl::Status ReadString(char quote) {
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) return Wrong("a string without an end", std::string(1, quote));
    std::string text;
    for (size_t i = at_ + 1; i < end;) {
      if (source_[i] == '\\') {
        RETURN_IF_ERROR(ReadEscape(i, end, text));
      } else {
        text += source_[i++];
      }
    }
    Push(TokenKind::kString, text);
    Skip(end + 1 - at_);
    return absl::OkStatus();
  }

  // The escape at `i`, which moves behind it; what Python's "unicode-escape" makes of it.
  absl::Status ReadEscape(size_t& i, size_t end, std::string& text) const {
    static constexpr std::string_view kLetters = "\\'\"abfnrtv", kMeanings = "\\'\"\a\b\f\n\r\t\v";
    const char letter = source_[i + 1];
    i += 2;
    if (letter == '\n') return absl::OkStatus();
    if (const size_t known = kLetters.find(letter); known != kLetters.npos) {
      text += kMeanings[known];
      return absl::OkStatus();
    }
    if (letter >= '0' && letter <= '7') {
      uint32_t code = letter - '0';
      for (int n = 1; n < 3 && i < end && source_[i] >= '0' && source_[i] <= '7'; ++n)
        code = code * 8 + (source_[i++] - '0');
      text += ToUtf8(code);
      return absl::OkStatus();
    }
    const size_t digits = letter == 'x' ? 2 : letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
    if (letter == 'N' || static_cast<uint8_t>(letter) >= 0x80) {
      return Unsupported("an escape of that character");
    }
    if (digits == 0) {  // stays as it is
      text += '\\';
      i -= 1;
      return absl::OkStatus();
    }
    uint32_t code = 0;
    const std::string hex = source_.substr(i, std::min(digits, end - i));
    if (hex.size() < digits || hex.find_first_not_of("0123456789abcdefABCDEF") != hex.npos ||
        !absl::SimpleHexAtoi(hex, &code)) {
      return Wrong(absl::StrCat("the escape \\", std::string(1, letter), hex),
                   absl::StrCat(digits, " hexadecimal digits"));
    }
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
      return Unsupported(absl::StrCat("the escape \\", std::string(1, letter), hex));
    }
    text += ToUtf8(code);
    i += digits;
    return absl::OkStatus();
  }

  const std::string source_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starts_ = true;  // the last thing read ended a line
  std::vector<Token> tokens_;
};

}  // namespace

absl::StatusOr<std::vector<Token>> Tokenize(std::string_view source, const std::string& where) {
  if (const std::optional<size_t> bad = FindInvalidUtf8(source)) {
    return Wrong(absl::StrFormat("%s: found byte 0x%02x at %d", where,
                                 static_cast<uint8_t>(source[*bad]), *bad),
                 "UTF-8");
  }
  Lexer lexer(NormalizeLines(source));
  if (const absl::Status status = lexer.Run(); !status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ":", lexer.line(), ": ", std::string(status.message())));
  }
  return std::move(lexer.tokens());
}

}  // namespace deduce::jinja
