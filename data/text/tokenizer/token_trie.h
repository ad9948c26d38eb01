// Texts to look for at a place of a text, all at once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/container/flat_hash_map.h"

namespace deduce {

class TokenTrie {
 public:
  struct Match {
    size_t length = 0;  // 0: none
    int32_t value = 0;
  };

  bool empty() const { return nodes_ == 1; }
  // `text` is not empty. A text that is there already keeps its value.
  void Insert(std::string_view text, int32_t value);
  // The longest of the texts that `text` begins with.
  Match LongestAt(std::string_view text) const;

 private:
  std::array<bool, 256> first_bytes_{};               // most places are done with here
  absl::flat_hash_map<uint64_t, uint32_t> children_;  // by node << 8 | byte
  absl::flat_hash_map<uint32_t, int32_t> values_;
  uint32_t nodes_ = 1;
};

}  // namespace deduce
