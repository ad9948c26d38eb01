#include "data/text/tokenizer/token_trie.h"

namespace deduce {
namespace {

uint64_t ChildKey(uint32_t node, char byte) {
  return static_cast<uint64_t>(node) << 8 | static_cast<uint8_t>(byte);
}

}  // namespace

void TokenTrie::Insert(std::string_view text, int32_t value) {
  first_bytes_[static_cast<uint8_t>(text[0])] = true;
  uint32_t node = 0;
  for (const char byte : text) {
    const auto [child, is_new] = children_.emplace(ChildKey(node, byte), nodes_);
    if (is_new) ++nodes_;
    node = child->second;
  }
  values_.emplace(node, value);
}

TokenTrie::Match TokenTrie::LongestAt(std::string_view text) const {
  Match match;
  if (text.empty() || !first_bytes_[static_cast<uint8_t>(text[0])]) return match;
  uint32_t node = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto child = children_.find(ChildKey(node, text[i]));
    if (child == children_.end()) break;
    node = child->second;
    const auto value = values_.find(node);
    if (value != values_.end()) match = {i + 1, value->second};
  }
  return match;
}

}  // namespace deduce
