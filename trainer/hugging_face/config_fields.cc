#include "trainer/hugging_face/config_fields.h"

#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"

namespace deduce {
namespace {

using Json = nlohmann::json;

// A value as one short line.
std::string Shown(const Json& value) {
  constexpr size_t kLongest = 100;
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() <= kLongest) return text;
  text.resize(kLongest);
  return text.append("...");
}

// Whether a value switches nothing on, whatever its field means.
bool IsNeutral(const Json& value) {
  if (value.is_number()) return value == 0;
  return value.is_null() || value == false || value.empty() || value == "";
}

}  // namespace

bool ConfigFields::Has(const std::string& name) const {
  const auto found = json_->find(name);
  return found != json_->end() && !found->is_null();
}

const Json* ConfigFields::Find(const std::string& name) {
  asked_.insert(name);
  return Has(name) ? &*json_->find(name) : nullptr;
}

void ConfigFields::WrongType(const std::string& name, const std::string& expected) {
  const auto found = json_->find(name);
  Fail(absl::InvalidArgumentError(absl::StrCat(where_, ": ", name, ": found ",
                                               found == json_->end() ? "nothing" : Shown(*found),
                                               ", expected ", expected)));
}

int64_t ConfigFields::Integer(const std::string& name) {
  const Json* value = Find(name);
  if (value == nullptr || !value->is_number_integer() ||
      (value->is_number_unsigned() &&
       value->get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()})) {
    WrongType(name, "a whole number");
    return 0;
  }
  return value->get<int64_t>();
}

int64_t ConfigFields::Integer(const std::string& name, int64_t otherwise) {
  asked_.insert(name);
  return Has(name) ? Integer(name) : otherwise;
}

double ConfigFields::Real(const std::string& name) {
  const Json* value = Find(name);
  if (value == nullptr || !value->is_number() || !std::isfinite(value->get<double>())) {
    WrongType(name, "a number");
    return 0;
  }
  return value->get<double>();
}

double ConfigFields::Real(const std::string& name, double otherwise) {
  asked_.insert(name);
  return Has(name) ? Real(name) : otherwise;
}

bool ConfigFields::Bool(const std::string& name, bool otherwise) {
  const Json* value = Find(name);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) {
    WrongType(name, "true or false");
    return otherwise;
  }
  return value->get<bool>();
}

std::string ConfigFields::Text(const std::string& name, const std::string& otherwise) {
  const Json* value = Find(name);
  if (value == nullptr) return otherwise;
  if (!value->is_string()) {
    WrongType(name, "text");
    return otherwise;
  }
  return value->get<std::string>();
}

const Json* ConfigFields::Object(const std::string& name) {
  const Json* value = Find(name);
  if (value == nullptr || value->is_object()) return value;
  WrongType(name, "an object");
  return nullptr;
}

const Json& ConfigFields::Any(const std::string& name) {
  static const Json kNull;
  const Json* value = Find(name);
  return value == nullptr ? kNull : *value;
}

void ConfigFields::Refuse(const std::string& name, const std::string& expected) {
  asked_.insert(name);
  WrongType(name, expected);
}

void ConfigFields::Require(const std::string& name, const Json& supported) {
  const Json* value = Find(name);
  if (value != nullptr && *value != supported) WrongType(name, Shown(supported));
}

void ConfigFields::Ignore(std::initializer_list<const char*> names) {
  for (const char* name : names) asked_.insert(name);
}

void ConfigFields::Fail(const absl::Status& status) { status_.Update(status); }

absl::Status ConfigFields::Finish() {
  if (!status_.ok()) return status_;
  for (const auto& [name, value] : json_->items()) {
    if (asked_.count(name) == 0 && !IsNeutral(value)) {
      return absl::InvalidArgumentError(absl::StrCat(where_, ": ", Shown(Json(name)), ": found ",
                                                     Shown(value),
                                                     ", expected a field that this version knows"));
    }
  }
  return absl::OkStatus();
}

}  // namespace deduce
