// The post-processor of a tokenizer file: tokens put before and after a text.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace deduce {

// Knows TemplateProcessing (its "single" template), ByteLevel (of no effect on ids) and Sequence.
class PostProcessor {
 public:
  PostProcessor() = default;  // adds nothing
  // `value` is null for none; ids must be below `num_tokens`. Errors: `WHERE: post_processor...:
  // found X, expected Y`.
  static absl::StatusOr<PostProcessor> FromJson(const nlohmann::json* value,
                                                const std::string& where, int64_t num_tokens);

  const std::vector<int32_t>& before() const { return before_; }
  const std::vector<int32_t>& after() const { return after_; }

 private:
  absl::Status Read(const nlohmann::json& value, const std::string& where, const std::string& path,
                    int64_t num_tokens);

  std::vector<int32_t> before_, after_;
};

}  // namespace deduce
