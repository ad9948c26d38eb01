// Added tokens of a tokenizer file: those found in the text before the model sees it.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "data/text/tokenizer/normalizer.h"
#include "data/text/tokenizer/token_trie.h"
#include "data/text/tokenizer/vocabulary.h"

namespace deduce {

class AddedTokens {
 public:
  // A stretch of a text: an added token, or what lies between them (not empty).
  struct Part {
    std::string_view text;
    std::optional<int32_t> id;
  };

  AddedTokens() = default;
  // A token of the vocabulary has its id there; the others follow the vocabulary's ids in order.
  // Errors: `WHERE: added_tokens...: found X, expected Y`.
  static absl::StatusOr<AddedTokens> FromJson(const nlohmann::json& tokens,
                                              const std::string& where,
                                              const Vocabulary& vocabulary,
                                              const TextNormalizer& normalizer);

  // Cuts a text at the tokens with "normalized": false, and a normalised text at the others. The
  // leftmost is found first, of those the longest. lstrip and rstrip take white space with it;
  // single_word refuses one that touches a word's character.
  std::vector<Part> CutGiven(std::string_view text) const { return Cut(text, given_); }
  std::vector<Part> CutNormalized(std::string_view text) const { return Cut(text, normalized_); }

  // Ids that are not the vocabulary's.
  int32_t num_beyond() const { return static_cast<int32_t>(beyond_.size()); }
  const std::string& TextBeyond(int32_t index) const { return beyond_[index]; }
  std::optional<int32_t> Find(std::string_view text) const;
  // The normalized text of a token with "normalized": true, from which decoding starts; nullptr for
  // all others, whose own text is decoded.
  const std::string* NormalizedText(int32_t id) const;
  bool IsSpecial(int32_t id) const;

 private:
  struct Rule {
    int32_t id = 0;
    bool single_word = false, lstrip = false, rstrip = false, special = false;
  };

  absl::Status Add(const nlohmann::json& token, const std::string& where, const std::string& path,
                   const Vocabulary& vocabulary, const TextNormalizer& normalizer);
  std::vector<Part> Cut(std::string_view text, const TokenTrie& trie) const;

  std::vector<Rule> rules_;
  std::vector<std::string> beyond_;
  absl::flat_hash_map<std::string, int32_t> ids_;
  absl::flat_hash_set<int32_t> special_;                        // ids
  absl::flat_hash_map<int32_t, std::string> normalized_texts_;  // by id
  TokenTrie given_, normalized_;                                // values are indices of rules_
};

}  // namespace deduce
