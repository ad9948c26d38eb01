// Ids of words that were encoded lately: most words of a text come again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"

namespace deduce {

// A table of fixed size; a word drops the one in its place.
class WordCache {
 public:
  static constexpr size_t kLongestWord = 256;  // bytes; longer ones do not come again

  struct Entry {
    std::string word;
    std::vector<int32_t> ids;
  };

  // The place of a word, which holds it if entry.word == word.
  Entry& Place(std::string_view word) {
    if (entries_.empty()) entries_.resize(kPlaces);
    return entries_[absl::HashOf(absl::string_view(word.data(), word.size())) % kPlaces];
  }

 private:
  static constexpr size_t kPlaces = 1 << 15;
  std::vector<Entry> entries_;
};

}  // namespace deduce
