#include "data/text/tokenizer/json_fields.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace deduce {
namespace {

using Json = nlohmann::json;

const Json& EmptyObject() {
  static const Json empty = Json::object();
  return empty;
}

const Json& EmptyArray() {
  static const Json empty = Json::array();
  return empty;
}

}  // namespace

std::string ShownJson(const Json* value) {
  if (value == nullptr) return "nothing";
  std::string text = value->dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

std::string ShownText(std::string_view text) {
  const Json value = std::string(text.substr(0, 64));
  return ShownJson(&value);
}

absl::Status WrongField(const std::string& where, const std::string& field,
                        const std::string& found, const std::string& expected) {
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": ", field, ": found ", found, ", expected ", expected));
}

JsonFields::JsonFields(const Json& object, std::string where, std::string path)
    : object_(object.is_object() ? object : EmptyObject()),
      where_(std::move(where)),
      path_(std::move(path)) {
  if (!object.is_object()) status_ = WrongField(where_, path_, ShownJson(&object), "an object");
}

std::string JsonFields::PathOf(std::string_view key) const {
  return path_.empty() ? std::string(key) : absl::StrCat(path_, ".", std::string(key));
}

const Json* JsonFields::Raw(const char* key) {
  asked_.insert(key);
  const auto it = object_.find(key);
  return it == object_.end() ? nullptr : &*it;
}

const Json* JsonFields::Find(const char* key) {
  const Json* value = Raw(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

const Json& JsonFields::Object(const char* key) {
  const Json* value = Raw(key);
  if (value != nullptr && value->is_object()) return *value;
  Refuse(key, "an object");
  return EmptyObject();
}

const Json& JsonFields::Array(const char* key) {
  const Json* value = Raw(key);
  if (value != nullptr && value->is_array()) return *value;
  Refuse(key, "an array");
  return EmptyArray();
}

std::string JsonFields::Text(const char* key) {
  const Json* value = Raw(key);
  if (value != nullptr && value->is_string()) return value->get<std::string>();
  Refuse(key, "a text");
  return "";
}

std::optional<std::string> JsonFields::OptionalText(const char* key) {
  if (Find(key) == nullptr) return std::nullopt;
  return Text(key);
}

bool JsonFields::Flag(const char* key) {
  const Json* value = Raw(key);
  if (value != nullptr && value->is_boolean()) return value->get<bool>();
  Refuse(key, "true or false");
  return false;
}

bool JsonFields::Flag(const char* key, bool otherwise) {
  return Find(key) == nullptr ? otherwise : Flag(key);
}

int64_t JsonFields::Number(const char* key, int64_t most) {
  const Json* value = Raw(key);
  // Unsigned JSON numbers above the range of int64 come out negative here, and are refused as well.
  const int64_t number =
      value != nullptr && value->is_number_integer() ? value->get<int64_t>() : int64_t{-1};
  if (number >= 0 && number <= most) return number;
  Refuse(key, absl::StrCat("a whole number from 0 to ", most));
  return 0;
}

void JsonFields::ExpectUnsetOr(const char* key, const Json& expected) {
  const Json* value = Find(key);
  if (value == nullptr || *value == expected) return;
  Refuse(key, expected.is_null() ? "null" : absl::StrCat("null or ", ShownJson(&expected)));
}

void JsonFields::Refuse(const char* key, const std::string& expected) {
  if (status_.ok()) status_ = WrongField(where_, PathOf(key), ShownJson(Raw(key)), expected);
}

absl::Status JsonFields::Done() const {
  if (!status_.ok()) return status_;
  for (const auto& [key, value] : object_.items()) {
    if (asked_.contains(key)) continue;
    const std::string shown = ShownText(key);
    return WrongField(where_, path_.empty() ? shown : absl::StrCat(path_, "[", shown, "]"),
                      ShownJson(&value), "no such field");
  }
  return absl::OkStatus();
}

}  // namespace deduce
