#include "data/records/learned_tokens.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "configs/status.h"

namespace deduce {
namespace {

// A place between two characters among tokens: those wholly before it, and those that begin before
// it. One token more of the latter where a token holds characters of both sides.
struct Place {
  size_t before = 0, begun = 0;
};

class TokenPlaces {
 public:
  TokenPlaces(const Tokenizer& tokenizer, std::string_view text, const std::vector<int32_t>& ids)
      : tokenizer_(tokenizer), text_(text), ids_(ids) {}

  absl::StatusOr<Place> Find(size_t offset) const {
    // Most places are between tokens: before them stand the tokens of the text before them.
    ASSIGN_OR_RETURN(const std::vector<int32_t> before, tokenizer_.Encode(text_.substr(0, offset)));
    if (before.size() <= ids_.size() && std::equal(before.begin(), before.end(), ids_.begin()))
      return Place{before.size(), before.size()};
    if (tokenizer_.Decode(ids_) != text_) {
      return absl::InvalidArgumentError(absl::StrCat(
          "found a tokenizer that changes the text, at byte ", offset,
          ", expected one that gives it back, to find there which tokens are learned"));
    }
    // The first number of tokens whose text reaches the place.
    size_t low = 0, high = ids_.size();
    while (low < high) {
      const size_t middle = (low + high) / 2;
      if (LengthOf(middle) < offset) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return Place{LengthOf(low) == offset ? low : low - 1, low};
  }

 private:
  // Bytes of the text that its first `count` tokens hold. A character that they hold in part counts
  // as not held, or with bytes that its replacement shares with it, but never whole.
  size_t LengthOf(size_t count) const {
    const std::string held = tokenizer_.Decode(std::span(ids_).first(count));
    return static_cast<size_t>(
        std::mismatch(held.begin(), held.end(), text_.begin(), text_.end()).first - held.begin());
  }

  const Tokenizer& tokenizer_;
  std::string_view text_;
  const std::vector<int32_t>& ids_;
};

// Whether the pieces of a text between the ends of its spans have the tokens that the whole has, as
// pieces between added tokens do. Then those of each span are learned; one pass over the text
// tells, where each place that is looked for takes one.
absl::StatusOr<bool> LearnPieces(const Tokenizer& tokenizer, std::string_view text,
                                 const std::vector<int32_t>& ids,
                                 const std::vector<TextSpan>& spans,
                                 std::vector<uint8_t>& learned) {
  std::vector<uint8_t> found;
  const auto add = [&](size_t begin, size_t end, uint8_t value) -> absl::StatusOr<bool> {
    ASSIGN_OR_RETURN(const std::vector<int32_t> piece,
                     tokenizer.Encode(text.substr(begin, end - begin)));
    const size_t first = found.size();
    found.resize(first + piece.size(), value);
    return found.size() <= ids.size() &&
           std::equal(piece.begin(), piece.end(), ids.begin() + static_cast<int64_t>(first));
  };
  size_t end = 0;
  for (const TextSpan& span : spans) {
    ASSIGN_OR_RETURN(const bool before, add(end, span.begin, 0));
    ASSIGN_OR_RETURN(const bool within, add(span.begin, span.end, 1));
    if (!before || !within) return false;
    end = span.end;
  }
  ASSIGN_OR_RETURN(const bool after, add(end, text.size(), 0));
  if (!after || found.size() != ids.size()) return false;
  learned = std::move(found);
  return true;
}

}  // namespace

absl::StatusOr<std::vector<uint8_t>> LearnedTokens(const Tokenizer& tokenizer,
                                                   const std::string& text,
                                                   const std::vector<int32_t>& ids,
                                                   const std::vector<TextSpan>& spans) {
  std::vector<uint8_t> learned(ids.size());
  ASSIGN_OR_RETURN(const bool by_pieces, LearnPieces(tokenizer, text, ids, spans, learned));
  if (by_pieces) return learned;
  const TokenPlaces places(tokenizer, text, ids);
  for (const TextSpan& span : spans) {
    if (span.begin == span.end) continue;
    ASSIGN_OR_RETURN(const Place begin, places.Find(span.begin));
    ASSIGN_OR_RETURN(const Place end, places.Find(span.end));
    for (size_t i = begin.before; i < end.begun; ++i) learned[i] = 1;
  }
  return learned;
}

}  // namespace deduce
