#include "data/text/chat_template/chat_template_folder.h"

#include <filesystem>
#include <map>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "configs/text_file.h"
#include "data/text/strict_json.h"
#include "nlohmann/json.hpp"

namespace deduce {
namespace {

using Json = nlohmann::json;

absl::Status Wrong(const std::string& path, const std::string& found, const std::string& expected) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": found ", found, ", expected ", expected));
}

// The object in a file; an empty one if there is no such file.
absl::StatusOr<Json> ReadObject(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadTextFile(path);
  if (absl::IsNotFound(text.status())) return Json::object();
  if (!text.ok()) return text.status();
  ASSIGN_OR_RETURN(Json json, ParseJson<Json>(*text, path, "an object"));
  if (!json.is_object()) return Wrong(path, json.type_name(), "an object");
  return json;
}

// Adds a token that is a text or an AddedToken; null is none.
absl::Status AddToken(const std::string& name, const Json& token, const std::string& path,
                      std::map<std::string, std::string>& tokens) {
  if (token.is_null()) return absl::OkStatus();
  const bool is_added = token.is_object() && token.contains("content");
  const Json& text = is_added ? token["content"] : token;
  if (!text.is_string()) {
    return Wrong(path, absl::StrCat(token.type_name(), " in field \"", name, "\""),
                 "a string or an AddedToken");
  }
  tokens[name] = text.get<std::string>();
  return absl::OkStatus();
}

absl::StatusOr<std::map<std::string, std::string>> SpecialTokenVariables(const Json& config,
                                                                         const std::string& path) {
  std::map<std::string, std::string> tokens;
  for (const char* name : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
                           "cls_token", "mask_token"}) {
    if (config.contains(name)) RETURN_IF_ERROR(AddToken(name, config[name], path, tokens));
  }
  const auto extra = config.find("extra_special_tokens");
  if (extra != config.end() && extra->is_object()) {
    for (const auto& [name, token] : extra->items()) {
      RETURN_IF_ERROR(AddToken(name, token, path, tokens));
    }
  }
  return tokens;
}

// The template in the field "chat_template"; nothing if there is no such field.
absl::StatusOr<std::optional<std::string>> TemplateIn(const Json& config, const std::string& path,
                                                      const std::string& name) {
  const auto field = config.find("chat_template");
  if (field == config.end() || field->is_null()) return std::optional<std::string>();
  if (field->is_string()) return std::optional<std::string>(field->get<std::string>());
  if (!field->is_array()) {
    return Wrong(path, absl::StrCat(field->type_name(), " in field \"chat_template\""),
                 "a string or a list of named templates");
  }
  for (const Json& entry : *field) {
    const bool sound = entry.is_object() && entry.contains("name") && entry["name"].is_string() &&
                       entry.contains("template") && entry["template"].is_string();
    if (!sound) {
      return Wrong(path, absl::StrCat(entry.type_name(), " in the list \"chat_template\""),
                   "an object with the strings \"name\" and \"template\"");
    }
    if (entry["name"] == name)
      return std::optional<std::string>(entry["template"].get<std::string>());
  }
  return absl::NotFoundError(
      absl::StrCat(path, ": found no chat template named ", name, ", expected one"));
}

}  // namespace

absl::StatusOr<ChatTemplate> LoadChatTemplate(const std::string& folder, const std::string& name) {
  const std::filesystem::path root(folder);
  const std::string config_path = root / "tokenizer_config.json";
  ASSIGN_OR_RETURN(const Json config, ReadObject(config_path));
  ASSIGN_OR_RETURN(const auto tokens, SpecialTokenVariables(config, config_path));
  const std::string jinja_path = name == "default"
                                     ? root / "chat_template.jinja"
                                     : root / "additional_chat_templates" / (name + ".jinja");
  const absl::StatusOr<std::string> text = ReadTextFile(jinja_path);
  if (text.ok()) return ChatTemplate::Parse(*text, jinja_path, tokens);
  if (!absl::IsNotFound(text.status())) return text.status();
  ASSIGN_OR_RETURN(const std::optional<std::string> in_config,
                   TemplateIn(config, config_path, name));
  if (in_config) {
    return ChatTemplate::Parse(*in_config, absl::StrCat(config_path, ": chat_template"), tokens);
  }
  const std::string json_path = root / "chat_template.json";
  ASSIGN_OR_RETURN(const Json json, ReadObject(json_path));
  ASSIGN_OR_RETURN(const std::optional<std::string> in_json, TemplateIn(json, json_path, name));
  if (in_json)
    return ChatTemplate::Parse(*in_json, absl::StrCat(json_path, ": chat_template"), tokens);
  return absl::NotFoundError(
      absl::StrCat(folder,
                   ": found no chat template, expected chat_template.jinja or \"chat_template\" in "
                   "tokenizer_config.json"));
}

}  // namespace deduce
