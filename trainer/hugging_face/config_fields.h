// Reading a JSON object whose every field must be understood: typed access with errors that name
// the field, and an error for any field that nobody asked for and that switches something on.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace deduce {

// The first error stays and is what Finish returns; after it, reads return their fallback. Every
// error is one line, InvalidArgument: `WHERE: FIELD: found VALUE, expected X`. A field that is null
// counts as absent, as it does in Python.
class ConfigFields {
 public:
  // json: an object, which must outlive this. where: the path for messages.
  ConfigFields(const nlohmann::json& json, std::string where)
      : json_(&json), where_(std::move(where)) {}

  bool Has(const std::string& name) const;

  // The value of a required field, or of an optional one with what stands for its absence.
  int64_t Integer(const std::string& name);
  int64_t Integer(const std::string& name, int64_t otherwise);
  double Real(const std::string& name);
  double Real(const std::string& name, double otherwise);
  bool Bool(const std::string& name, bool otherwise);
  std::string Text(const std::string& name, const std::string& otherwise);
  // The object under a name, or null; it is finished by itself.
  const nlohmann::json* Object(const std::string& name);
  // The field as it is (null when absent), for one of no plain type.
  const nlohmann::json& Any(const std::string& name);

  // Says of the field that its value is not supported. expected: "null", "\"silu\"" ...
  void Refuse(const std::string& name, const std::string& expected);
  // Refuses a field unless it is absent or equal to `supported`.
  void Require(const std::string& name, const nlohmann::json& supported);
  // These fields leave the numbers alone, whatever they hold.
  void Ignore(std::initializer_list<const char*> names);
  void Fail(const absl::Status& status);

  const std::string& where() const { return where_; }
  const absl::Status& status() const { return status_; }

  // The first error; without one, an error for the first field that nobody asked for, unless its
  // value is neutral: null, false, 0, or an empty text, list or object switches nothing on.
  absl::Status Finish();

 private:
  const nlohmann::json* Find(const std::string& name);
  void WrongType(const std::string& name, const std::string& expected);

  const nlohmann::json* json_;
  std::string where_;
  std::set<std::string> asked_;
  absl::Status status_;
};

}  // namespace deduce
