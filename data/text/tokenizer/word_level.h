// The model whose vocabulary is of whole pieces.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "data/text/tokenizer/vocabulary.h"

namespace deduce {

class WordLevelModel {
 public:
  // As of BpeModel.
  static absl::StatusOr<WordLevelModel> FromJson(const nlohmann::json& model,
                                                 const std::string& where,
                                                 std::shared_ptr<const Vocabulary> vocabulary,
                                                 bool byte_level);

  // Appends the id of each piece, or the unknown token. InvalidArgument for an unknown piece where
  // the file names no unknown token.
  absl::Status Encode(std::span<const std::string_view> pieces, std::vector<int32_t>& ids) const;

 private:
  WordLevelModel() = default;

  std::shared_ptr<const Vocabulary> vocabulary_;
  std::optional<int32_t> unk_id_;
  bool byte_level_ = false;
};

}  // namespace deduce
