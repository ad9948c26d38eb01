// The byte-pair encoding model: a piece begins as its characters, and the pair of neighbours whose
// merge comes first in the file's list is merged until none can be; of equal pairs the leftmost.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "data/text/tokenizer/vocabulary.h"
#include "data/text/tokenizer/word_cache.h"

namespace deduce {

class BpeModel {
 public:
  // `byte_level`: characters of a piece are its bytes, written as in byte_level.h. Errors:
  // `WHERE: model...: found X, expected Y`. Settings that no supported family uses are refused by
  // name: dropout, continuing_subword_prefix, end_of_word_suffix.
  static absl::StatusOr<BpeModel> FromJson(const nlohmann::json& model, const std::string& where,
                                           std::shared_ptr<const Vocabulary> vocabulary,
                                           bool byte_level);

  // Appends the ids of each piece. A character that is not in the vocabulary becomes its bytes'
  // tokens "<0xHH>" (byte_fallback, if all are there), else the unknown token (fuse_unk: one for a
  // run of them), else, in a file without one, nothing, as in the `tokenizers` package. May be
  // called by several threads; time is O(n log n) in the length of a piece.
  void Encode(std::span<const std::string_view> pieces, std::vector<int32_t>& ids) const;

 private:
  struct Merge {
    int32_t rank, id;
  };
  struct SharedCache {
    std::mutex mutex;
    WordCache words;
  };

  BpeModel() = default;
  absl::Status ReadMerges(const nlohmann::json& merges, const std::string& where);
  absl::Status ReadMerge(const nlohmann::json& merge, bool pairs, int32_t rank,
                         const std::string& where);
  void ReadBytes(bool byte_level);
  const Merge* FindMerge(int32_t left, int32_t right) const;

  std::vector<int32_t> EncodePiece(std::string_view piece) const;
  std::vector<int32_t> Characters(std::string_view piece) const;
  bool AppendFallback(std::string_view character, std::vector<int32_t>& ids) const;
  void MergeAll(std::vector<int32_t>& ids) const;

  std::shared_ptr<const Vocabulary> vocabulary_;
  absl::flat_hash_map<uint64_t, Merge> merges_;  // by left id << 32 | right id
  std::optional<int32_t> unk_id_;
  bool fuse_unk_ = false, byte_fallback_ = false, ignore_merges_ = false, byte_level_ = false;
  std::vector<int32_t> byte_ids_;  // by byte, as a piece of its own; -1 where there is no token
  std::unique_ptr<SharedCache> cache_ = std::make_unique<SharedCache>();
};

}  // namespace deduce
