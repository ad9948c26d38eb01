#include "data/text/chat_template/values/python_text.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "configs/status.h"
#include "data/text/chat_template/values/value.h"
#include "data/text/utf8.h"

namespace deduce::jinja {
namespace {

// Whether a character is taken off by Strip.
bool Strips(std::string_view character, const std::optional<std::string>& chars) {
  if (!chars) return IsPythonSpace(CodePoint(character, 0));
  for (size_t i = 0; i < chars->size(); i += CharacterLength(*chars, i)) {
    if (std::string_view(*chars).substr(i, CharacterLength(*chars, i)) == character) return true;
  }
  return false;
}

// The offset of the character that ends at `end` > 0.
size_t Before(std::string_view text, size_t end) {
  do {
    --end;
  } while ((static_cast<uint8_t>(text[end]) & 0xc0) == 0x80);
  return end;
}

std::vector<std::string> SplitAtSpace(std::string_view text, int64_t limit) {
  std::vector<std::string> parts;
  text = Strip(text, Side::kLeft);
  while (!text.empty()) {
    if (limit >= 0 && static_cast<int64_t>(parts.size()) == limit) {
      parts.emplace_back(text);  // with the white space at its end, as Python does
      break;
    }
    size_t end = 0;
    while (end < text.size() && !IsPythonSpace(CodePoint(text, end))) {
      end += CharacterLength(text, end);
    }
    parts.emplace_back(text.substr(0, end));
    text = Strip(text.substr(end), Side::kLeft);
  }
  return parts;
}

std::vector<std::string> SplitAtSpaceFromRight(std::string_view text, int64_t limit) {
  std::vector<std::string> parts;
  text = Strip(text, Side::kRight);
  while (!text.empty()) {
    if (limit >= 0 && static_cast<int64_t>(parts.size()) == limit) {
      parts.emplace_back(text);
      break;
    }
    size_t begin = text.size();
    while (begin > 0 && !IsPythonSpace(CodePoint(text, Before(text, begin)))) {
      begin = Before(text, begin);
    }
    parts.emplace_back(text.substr(begin));
    text = Strip(text.substr(0, begin), Side::kRight);
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string> SplitAt(std::string_view text, std::string_view separator, int64_t limit) {
  std::vector<std::string> parts;
  while (limit < 0 || static_cast<int64_t>(parts.size()) < limit) {
    const size_t at = text.find(separator);
    if (at == std::string_view::npos) break;
    parts.emplace_back(text.substr(0, at));
    text.remove_prefix(at + separator.size());
  }
  parts.emplace_back(text);
  return parts;
}

std::vector<std::string> SplitAtFromRight(std::string_view text, std::string_view separator,
                                          int64_t limit) {
  std::vector<std::string> parts;
  while (limit < 0 || static_cast<int64_t>(parts.size()) < limit) {
    const size_t at = text.rfind(separator);
    if (at == std::string_view::npos) break;
    parts.emplace_back(text.substr(at + separator.size()));
    text = text.substr(0, at);
  }
  parts.emplace_back(text);
  std::reverse(parts.begin(), parts.end());
  return parts;
}

// Characters beyond ASCII that have no case in any Unicode version: scripts without one,
// punctuation, emoji.
bool IsCaseless(char32_t c) {
  constexpr std::pair<char32_t, char32_t> kRanges[] = {
      {0xa0, 0xa9},      {0xab, 0xb4},     {0xb6, 0xb9},     {0xbb, 0xbf},     {0xd7, 0xd7},
      {0xf7, 0xf7},      {0x5d0, 0x5ea},   {0x600, 0x6ff},   {0x900, 0x97f},   {0xe01, 0xe3a},
      {0x2000, 0x206f},  {0x20a0, 0x20bf}, {0x2190, 0x23ff}, {0x2500, 0x2bff}, {0x3000, 0x30ff},
      {0x3400, 0x4dbf},  {0x4e00, 0x9fff}, {0xac00, 0xd7a3}, {0xff00, 0xff20}, {0xff5b, 0xff9f},
      {0x1f300, 0x1faff}};
  return std::any_of(std::begin(kRanges), std::end(kRanges),
                     [c](const auto& range) { return range.first <= c && c <= range.second; });
}

absl::Status CheckCases(std::string_view text) {
  for (size_t i = 0; i < text.size(); i += CharacterLength(text, i)) {
    const char32_t c = CodePoint(text, i);
    if (c >= 0x80 && !IsCaseless(c)) {
      return Unsupported(
          absl::StrFormat("the upper or lower case of U+%04X", static_cast<uint32_t>(c)));
    }
  }
  return absl::OkStatus();
}

bool IsLetter(char byte) { return absl::ascii_isalpha(static_cast<unsigned char>(byte)); }

// Where the filter `title` begins a word: behind white space and -([{<.
bool EndsJinjaWord(std::string_view text, size_t at) {
  const char32_t c = CodePoint(text, at);
  return IsPythonSpace(c) || (c < 0x80 && std::string_view("-([{<").find(static_cast<char>(c)) !=
                                              std::string_view::npos);
}

}  // namespace

char32_t CodePoint(std::string_view text, size_t offset) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[offset + i]); };
  if (byte(0) < 0x80) return byte(0);
  const size_t length = CharacterLength(text, offset);
  char32_t c = byte(0) & (0xff >> (length + 1));
  for (size_t i = 1; i < length; ++i) c = c << 6 | (byte(i) & 0x3f);
  return c;
}

std::string ToUtf8(char32_t c) {
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | (c >> shift & 0x3f)); };
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xc0 | c >> 6), tail(0)};
  if (c < 0x10000) return {static_cast<char>(0xe0 | c >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xf0 | c >> 18), tail(12), tail(6), tail(0)};
}

std::vector<size_t> CharacterOffsets(std::string_view text) {
  std::vector<size_t> offsets;
  for (size_t i = 0; i < text.size(); i += CharacterLength(text, i)) offsets.push_back(i);
  offsets.push_back(text.size());
  return offsets;
}

bool IsPythonSpace(char32_t c) {
  return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
         c == 0x205f || c == 0x3000;
}

std::string_view Strip(std::string_view text, Side side, const std::optional<std::string>& chars) {
  while (side != Side::kRight && !text.empty()) {
    const size_t length = CharacterLength(text, 0);
    if (!Strips(text.substr(0, length), chars)) break;
    text.remove_prefix(length);
  }
  while (side != Side::kLeft && !text.empty()) {
    const size_t begin = Before(text, text.size());
    if (!Strips(text.substr(begin), chars)) break;
    text = text.substr(0, begin);
  }
  return text;
}

std::vector<std::string> Split(std::string_view text, const std::optional<std::string>& separator,
                               int64_t limit, bool from_right) {
  limit = limit < 0 ? kMaxParts : std::min(limit, kMaxParts);
  if (!separator) {
    return from_right ? SplitAtSpaceFromRight(text, limit) : SplitAtSpace(text, limit);
  }
  return from_right ? SplitAtFromRight(text, *separator, limit) : SplitAt(text, *separator, limit);
}

std::vector<std::string> SplitLines(std::string_view text, bool keep_ends) {
  const auto ends_line = [](char32_t c) {
    return (c >= 0x0a && c <= 0x0d) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 ||
           c == 0x2029;
  };
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size() && static_cast<int64_t>(lines.size()) <= kMaxParts;) {
    size_t end = begin;
    while (end < text.size() && !ends_line(CodePoint(text, end))) end += CharacterLength(text, end);
    size_t next = end;
    if (end < text.size()) {
      next += text.substr(end, 2) == "\r\n" ? 2 : CharacterLength(text, end);
    }
    lines.emplace_back(text.substr(begin, (keep_ends ? next : end) - begin));
    begin = next;
  }
  return lines;
}

absl::StatusOr<std::string> Replace(std::string_view text, std::string_view old,
                                    std::string_view by, int64_t limit) {
  std::string result;
  int64_t count = 0;
  size_t from = 0;
  while (limit < 0 || count < limit) {
    // An empty `old` matches in front of every character and at the end.
    size_t at = text.find(old, from);
    if (old.empty() && count > 0)
      at = from < text.size() ? from + CharacterLength(text, from) : text.npos;
    if (at == std::string_view::npos) break;
    result.append(text.substr(from, at - from)).append(by);
    RETURN_IF_ERROR(CheckTextSize(result.size()));
    from = at + old.size();
    ++count;
  }
  return result.append(text.substr(from));
}

absl::StatusOr<std::string> ChangeCase(std::string_view text, Case to) {
  RETURN_IF_ERROR(CheckCases(text));
  std::string result(text);
  bool begins = true;
  for (size_t i = 0; i < text.size(); i += CharacterLength(text, i)) {
    const unsigned char byte = text[i];
    const bool upper = to == Case::kUpper || (to != Case::kLower && begins);
    if (byte < 0x80) {
      result[i] = static_cast<char>(upper ? absl::ascii_toupper(byte) : absl::ascii_tolower(byte));
    }
    begins =
        to == Case::kTitle ? !IsLetter(text[i]) : to == Case::kJinjaTitle && EndsJinjaWord(text, i);
  }
  return result;
}

absl::StatusOr<bool> HasCase(std::string_view text, bool upper) {
  RETURN_IF_ERROR(CheckCases(text));
  const auto is = [&](unsigned char byte, bool up) {
    return up ? absl::ascii_isupper(byte) : absl::ascii_islower(byte);
  };
  const bool any = std::any_of(text.begin(), text.end(), [&](char c) { return is(c, upper); });
  const bool other = std::any_of(text.begin(), text.end(), [&](char c) { return is(c, !upper); });
  return any && !other;
}

absl::Status CheckParts(const std::vector<std::string>& parts) {
  if (static_cast<int64_t>(parts.size()) <= kMaxParts) return absl::OkStatus();
  return Wrong("a string of more parts", absl::StrCat("at most ", kMaxParts));
}

}  // namespace deduce::jinja
