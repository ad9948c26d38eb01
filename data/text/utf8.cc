#include "data/text/utf8.h"

#include <algorithm>
#include <cstdint>

namespace deduce {
namespace {

// Bytes, at least 1, of the longest beginning of `text` that some valid character begins with; no
// character stands there.
size_t BrokenLength(std::string_view text) {
  // A beginning is sound when the highest continuation bytes or the lowest complete it.
  for (size_t length = std::min<size_t>(text.size(), 3); length > 1; --length) {
    for (const char filler : {'\x80', '\xbf'}) {
      const std::string whole = std::string(text.substr(0, length)) + std::string(3, filler);
      if (CharacterLength(whole, 0) > length) return length;
    }
  }
  return 1;
}

}  // namespace

size_t CharacterLength(std::string_view text, size_t offset) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[offset + i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() - offset < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const uint8_t second = byte(1);
  const bool overlong = (lead == 0xe0 && second < 0xa0) || (lead == 0xf0 && second < 0x90);
  const bool surrogate = lead == 0xed && second >= 0xa0;
  const bool too_large = lead == 0xf4 && second >= 0x90;
  return overlong || surrogate || too_large ? 0 : length;
}

std::optional<size_t> FindInvalidUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t length = CharacterLength(text, i);
    if (length == 0) return i;
    i += length;
  }
  return std::nullopt;
}

uint32_t CodePoint(std::string_view character) {
  const auto lead = static_cast<uint8_t>(character[0]);
  if (character.size() == 1) return lead;
  uint32_t code = lead & (0x7fu >> character.size());
  for (const char byte : character.substr(1))
    code = code << 6 | (static_cast<uint8_t>(byte) & 0x3fu);
  return code;
}

void AppendCharacter(uint32_t code, std::string& text) {
  const auto add = [&text](uint32_t byte) { text += static_cast<char>(byte); };
  if (code < 0x80) return add(code);
  const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  add((0xff00u >> (more + 1) & 0xffu) | code >> (6 * more));
  for (int i = more - 1; i >= 0; --i) add(0x80u | (code >> (6 * i) & 0x3fu));
}

std::string ReplaceInvalidUtf8(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size();) {
    size_t length = CharacterLength(text, i);
    if (length > 0) {
      result += text.substr(i, length);
    } else {
      result += "\xEF\xBF\xBD";
      length = BrokenLength(text.substr(i, 4));
    }
    i += length;
  }
  return result;
}

std::string_view StripSpace(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

}  // namespace deduce
