#include "data/records/json_lines.h"

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "configs/text_file.h"
#include "data/text/strict_json.h"

namespace deduce {
namespace {

using Json = nlohmann::json;
constexpr size_t kShownCharacters = 48;

// ASCII on one line, whatever bytes the text holds.
std::string Shown(const Json& value) {
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > kShownCharacters) text = text.substr(0, kShownCharacters) + "...";
  return text;
}

}  // namespace

absl::Status FieldError(const std::string& where, const std::string& key, const Json& value,
                        const std::string& expected) {
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": found ", key, " ", Shown(value), ", expected ", expected));
}

absl::Status ForEachJsonLine(
    const std::string& path,
    const std::function<absl::Status(const std::string& where, const Json& object)>& body) {
  ASSIGN_OR_RETURN(LineReader lines, LineReader::Open(path));
  std::string line;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, lines.Next(line));
    if (!found) return absl::OkStatus();
    const std::string where = lines.where();
    const absl::StatusOr<Json> object = ParseJson<Json>(line, where, "a JSON object");
    if (!object.ok() && lines.unfinished()) return absl::OkStatus();
    RETURN_IF_ERROR(object.status());
    if (!object->is_object()) {
      return FieldError(where, object->type_name(), *object, "a JSON object");
    }
    RETURN_IF_ERROR(body(where, *object));
  }
}

absl::Status ReadString(const std::string& where, const Json& object, const std::string& key,
                        std::string* value) {
  const auto it = object.find(key);
  if (it == object.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": found no ", key, ", expected a string"));
  }
  if (!it->is_string()) return FieldError(where, key, *it, "a string");
  *value = it->get<std::string>();
  return absl::OkStatus();
}

absl::Status ReadCount(const std::string& where, const Json& object, const std::string& key,
                       int64_t* value) {
  const auto it = object.find(key);
  if (it == object.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": found no ", key, ", expected an integer of at least 0"));
  }
  if (!it->is_number_integer() || it->get<int64_t>() < 0) {
    return FieldError(where, key, *it, "an integer of at least 0");
  }
  *value = it->get<int64_t>();
  return absl::OkStatus();
}

}  // namespace deduce
