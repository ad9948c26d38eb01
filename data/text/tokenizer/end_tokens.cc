#include "data/text/tokenizer/end_tokens.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "configs/status.h"
#include "configs/text_file.h"
#include "data/text/strict_json.h"
#include "data/text/tokenizer/json_fields.h"

namespace deduce {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr char kField[] = "eos_token_id";
constexpr char kMessage[] = "assistant-message-of-a-test";  // no template holds it

}  // namespace

absl::StatusOr<std::vector<int32_t>> ReadEosTokenIds(std::string_view json,
                                                     const std::string& where) {
  ASSIGN_OR_RETURN(const Json root, ParseJsonObject(json, where));
  std::vector<int32_t> ids;
  const auto field = root.find(kField);
  if (field == root.end() || field->is_null()) return ids;
  for (const Json& id : field->is_array() ? *field : Json::array({*field})) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > std::numeric_limits<int32_t>::max())
      return WrongField(where, kField, ShownJson(&*field), "a token's id, or a list of them");
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

absl::StatusOr<std::vector<int32_t>> LoadEosTokenIds(const std::string& folder) {
  std::vector<int32_t> all;
  for (const char* name : {"generation_config.json", "config.json"}) {
    const std::string path = std::filesystem::path(folder) / name;
    const absl::StatusOr<std::string> text = ReadTextFile(path);
    if (absl::IsNotFound(text.status())) continue;
    RETURN_IF_ERROR(text.status());
    ASSIGN_OR_RETURN(const std::vector<int32_t> ids, ReadEosTokenIds(*text, path));
    for (const int32_t id : ids) {
      if (std::find(all.begin(), all.end(), id) == all.end()) all.push_back(id);
    }
  }
  return all;
}

absl::StatusOr<std::string> WithEosTokenIds(const std::string& json,
                                            const std::vector<int32_t>& ids) {
  OrderedJson config = OrderedJson::object();
  if (!json.empty()) {
    ASSIGN_OR_RETURN(config, ParseJson<OrderedJson>(json, "generation_config.json", "an object"));
  }
  config[kField] = ids;
  return config.dump(2) + "\n";
}

std::string TextBehindTurn(const ChatTemplate& chat_template) {
  const OrderedJson messages = {{{"role", "user"}, {"content", "question"}},
                                {{"role", "assistant"}, {"content", kMessage}}};
  const absl::StatusOr<std::string> text = chat_template.Render(messages);
  const size_t at = text.ok() ? text->rfind(kMessage) : std::string::npos;
  if (at == std::string::npos) return "";
  const size_t begin = text->find_first_not_of(" \n\r\t", at + sizeof(kMessage) - 1);
  return begin == std::string::npos ? "" : text->substr(begin);
}

}  // namespace deduce
