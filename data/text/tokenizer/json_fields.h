// Reading a JSON file field by field, so that nothing in it is passed over.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace deduce {

// A value or a text as it goes into a message: one line of ASCII, at most 60 bytes.
std::string ShownJson(const nlohmann::json* value);
std::string ShownText(std::string_view text);

// The members of one object. Each method reads one and remembers the first thing that is wrong,
// giving a value of its type all the same; Done() tells, and refuses a member that was never asked
// for. So a component is read straight down, and checked once at the end.
class JsonFields {
 public:
  // `where` is the file, `path` what the object is called in it ("" for the whole file). A value
  // that is no object is the first thing that is wrong.
  JsonFields(const nlohmann::json& object, std::string where, std::string path);

  const std::string& where() const { return where_; }
  // The member's full name: "model.vocab".
  std::string PathOf(std::string_view key) const;

  // The member, or nullptr if it is absent or null.
  const nlohmann::json* Find(const char* key);
  // The member must be there, and an object or an array (an empty one is given otherwise).
  const nlohmann::json& Object(const char* key);
  const nlohmann::json& Array(const char* key);

  std::string Text(const char* key);
  std::optional<std::string> OptionalText(const char* key);
  bool Flag(const char* key);
  bool Flag(const char* key, bool otherwise);
  // A whole number in [0, most].
  int64_t Number(const char* key, int64_t most);

  // The member must be absent, null or equal to `expected`.
  void ExpectUnsetOr(const char* key, const nlohmann::json& expected);
  // `key: found X, expected Y`, unless something else was wrong before.
  void Refuse(const char* key, const std::string& expected);

  absl::Status Done() const;

 private:
  const nlohmann::json* Raw(const char* key);

  const nlohmann::json& object_;
  std::string where_, path_;
  std::set<std::string, std::less<>> asked_;
  absl::Status status_;
};

// `WHERE: FIELD: found X, expected Y`.
absl::Status WrongField(const std::string& where, const std::string& field,
                        const std::string& found, const std::string& expected);

}  // namespace deduce
