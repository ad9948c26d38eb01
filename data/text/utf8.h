// UTF-8 text: where characters begin and end, what they are, where a text is not UTF-8, white
// space.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace deduce {

// Bytes of the character at `offset` < text.size(); 0 if no valid character (RFC 3629: no overlong
// form, no surrogate, at most U+10FFFF) stands there.
size_t CharacterLength(std::string_view text, size_t offset);

// Offset of the first byte that is not part of a valid character; nothing if there is none.
std::optional<size_t> FindInvalidUtf8(std::string_view text);

// The code point of one valid character, and back: appends the character of a code point.
uint32_t CodePoint(std::string_view character);
void AppendCharacter(uint32_t code, std::string& text);

// `text` with U+FFFD in place of what is not UTF-8: one for each longest beginning of a character
// that is cut off, one for each byte that can begin none (Unicode, chapter 3.9).
std::string ReplaceInvalidUtf8(std::string_view text);

// `text` without ASCII white space at its ends.
std::string_view StripSpace(std::string_view text);

}  // namespace deduce
