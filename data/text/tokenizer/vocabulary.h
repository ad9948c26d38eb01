// The tokens of a model: texts and ids.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"

namespace deduce {

class Vocabulary {
 public:
  // An object of texts and ids, which are 0 .. size - 1, each once. Errors: `WHERE: model.vocab...:
  // found X, expected Y`.
  static absl::StatusOr<Vocabulary> FromJson(const nlohmann::json& value, const std::string& where);

  int32_t size() const { return static_cast<int32_t>(texts_.size()); }
  std::optional<int32_t> Find(std::string_view text) const;
  const std::string& Text(int32_t id) const { return texts_[id]; }

 private:
  std::vector<std::string> texts_;  // by id
  absl::flat_hash_map<std::string, int32_t> ids_;
};

}  // namespace deduce
