// UTF-8 text: where characters begin and end, where a text is not UTF-8 at all, white space.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace deduce {

// Bytes of the character at `offset` < text.size(); 0 if no valid character (RFC 3629: no overlong
// form, no surrogate, at most U+10FFFF) stands there.
size_t CharacterLength(std::string_view text, size_t offset);

// Offset of the first byte that is not part of a valid character; nothing if there is none.
std::optional<size_t> FindInvalidUtf8(std::string_view text);

// `text` without ASCII white space at its ends.
std::string_view StripSpace(std::string_view text);

}  // namespace deduce
