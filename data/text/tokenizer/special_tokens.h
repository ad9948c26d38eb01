// Which tokens begin and end a sequence and fill one up, as tokenizer_config.json says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace deduce {

// Ids; nothing for a token that a model does not have.
struct SpecialTokens {
  std::optional<int32_t> bos, eos, pad;
  // Whether a text begins with bos when nothing else (a chat template) says how.
  bool adds_bos = false;
};

// The same as texts, from a tokenizer_config.json.
struct SpecialTokenTexts {
  std::optional<std::string> bos, eos, pad;
  std::optional<bool> adds_bos;  // add_bos_token
};

// Fields bos_token, eos_token, pad_token (a text, an added token's object, null or absent) and
// add_bos_token; all others are transformers' affair. Errors: `WHERE: FIELD: found X, expected Y`.
absl::StatusOr<SpecialTokenTexts> ReadSpecialTokenTexts(std::string_view config_json,
                                                        const std::string& where);

}  // namespace deduce
