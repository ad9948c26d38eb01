#include "data/records/json_lines.h"

#include <fstream>

#include "absl/strings/str_cat.h"
#include "configs/status.h"

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
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::NotFoundError(
        absl::StrCat(path, ": found no readable file, expected one JSON object a line"));
  }
  std::string line;
  for (int64_t number = 1; std::getline(file, line); ++number) {
    const bool unfinished = file.eof();
    const std::string where = absl::StrCat(path, ":", number);
    const Json object = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (object.is_discarded() && unfinished) break;
    if (object.is_discarded()) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": found ", line.empty() ? "an empty line" : Shown(Json(line)),
                       ", expected a JSON object"));
    }
    if (!object.is_object()) {
      return FieldError(where, object.type_name(), object, "a JSON object");
    }
    RETURN_IF_ERROR(body(where, object));
  }
  return absl::OkStatus();
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
