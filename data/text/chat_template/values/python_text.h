// Python's string methods on UTF-8: positions are characters (code points), white space is
// Unicode's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "data/text/chat_template/values/value.h"

namespace deduce::jinja {

// The code point of the character at `offset` of valid UTF-8.
char32_t CodePoint(std::string_view text, size_t offset);
// `code_point` as UTF-8.
std::string ToUtf8(char32_t code_point);
// The byte offset of each character, and of the end.
std::vector<size_t> CharacterOffsets(std::string_view text);

// str.isspace() of one character.
bool IsPythonSpace(char32_t c);

enum class Side { kBoth, kLeft, kRight };

// str.strip, .lstrip, .rstrip: of white space, or of the characters in `chars`.
std::string_view Strip(std::string_view text, Side side,
                       const std::optional<std::string>& chars = std::nullopt);

// Parts of a string, at most, that a list may hold; and the error where there are more.
inline constexpr int64_t kMaxParts = int64_t{1} << 20;
absl::Status CheckParts(const std::vector<std::string>& parts);

// str.split and str.rsplit: at runs of white space, or at each `separator` (not empty). At most
// `limit` cuts unless it is negative. More than kMaxParts parts are not made; CheckParts tells.
std::vector<std::string> Split(std::string_view text, const std::optional<std::string>& separator,
                               int64_t limit, bool from_right);

// str.splitlines; CheckParts as above.
std::vector<std::string> SplitLines(std::string_view text, bool keep_ends);

// str.replace: at most `limit` times unless it is negative. Error: a result of more than kMaxText
// bytes.
absl::StatusOr<std::string> Replace(std::string_view text, std::string_view old,
                                    std::string_view by, int64_t limit);

enum class Case {
  kUpper,
  kLower,
  kCapitalize,
  kTitle,
  kJinjaTitle  // the filter, which begins words elsewhere than str.title
};

// str.upper and its like. Error: a character whose case is not known here (letters that are not
// ASCII, but for scripts that have no case).
absl::StatusOr<std::string> ChangeCase(std::string_view text, Case to);

// str.islower or str.isupper. Errors: as ChangeCase.
absl::StatusOr<bool> HasCase(std::string_view text, bool upper);

}  // namespace deduce::jinja
