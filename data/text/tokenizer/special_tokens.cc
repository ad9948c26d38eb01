#include "data/text/tokenizer/special_tokens.h"

#include <nlohmann/json.hpp>

#include "configs/status.h"
#include "data/text/strict_json.h"
#include "data/text/tokenizer/json_fields.h"

namespace deduce {
namespace {

absl::StatusOr<std::optional<std::string>> TokenText(const nlohmann::json& root, const char* key,
                                                     const std::string& where) {
  const auto it = root.find(key);
  if (it == root.end() || it->is_null()) return std::nullopt;
  const nlohmann::json* text = &*it;
  if (it->is_object() && it->contains("content")) text = &(*it)["content"];
  if (text->is_string()) return text->get<std::string>();
  return WrongField(where, key, ShownJson(&*it), "a token's text, or an object with its content");
}

}  // namespace

absl::StatusOr<SpecialTokenTexts> ReadSpecialTokenTexts(std::string_view config_json,
                                                        const std::string& where) {
  ASSIGN_OR_RETURN(const nlohmann::json root, ParseJsonObject(config_json, where));
  SpecialTokenTexts texts;
  ASSIGN_OR_RETURN(texts.bos, TokenText(root, "bos_token", where));
  ASSIGN_OR_RETURN(texts.eos, TokenText(root, "eos_token", where));
  ASSIGN_OR_RETURN(texts.pad, TokenText(root, "pad_token", where));
  const auto adds = root.find("add_bos_token");
  if (adds == root.end() || adds->is_null()) return texts;
  if (!adds->is_boolean()) {
    return WrongField(where, "add_bos_token", ShownJson(&*adds), "true or false");
  }
  texts.adds_bos = adds->get<bool>();
  return texts;
}

}  // namespace deduce
