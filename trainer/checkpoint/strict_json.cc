#include "trainer/checkpoint/strict_json.h"

#include <optional>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"

namespace deduce {

using Json = nlohmann::json;

absl::StatusOr<Json> ParseJsonObject(const std::string& path, const std::string& text) {
  std::vector<std::set<std::string>> keys_of_open_objects;
  std::optional<std::string> duplicate;
  const auto watch = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) keys_of_open_objects.emplace_back();
    if (event == Json::parse_event_t::object_end) keys_of_open_objects.pop_back();
    if (event == Json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!keys_of_open_objects.back().insert(key).second && !duplicate) duplicate = key;
    }
    return true;
  };
  Json json = Json::parse(text, watch, /*allow_exceptions=*/false);
  if (json.is_discarded() || !json.is_object()) {
    return absl::DataLossError(
        absl::StrCat(path, ": found text that is no JSON object, expected one"));
  }
  if (duplicate) {
    return absl::DataLossError(absl::StrCat(path, ": found the name ", QuotedName(*duplicate),
                                            " twice, expected unique names"));
  }
  return json;
}

std::string QuotedName(const std::string& name) {
  constexpr size_t kLongest = 100;
  return Json(name.substr(0, kLongest)).dump(-1, ' ', true, Json::error_handler_t::replace);
}

}  // namespace deduce
