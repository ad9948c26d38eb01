#include "data/text/strict_json.h"

#include <cstdint>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/text/utf8.h"

namespace deduce {
namespace {

using Json = nlohmann::json;

// "[json.exception.parse_error.101] parse error at line 1, column 8: REASON; last read: 'TEXT'"
std::string ReasonOf(const nlohmann::detail::exception& error) {
  std::string reason = error.what();
  reason = reason.substr(0, reason.find("; last read: "));
  if (const size_t id = reason.find("] "); id != std::string::npos) reason.erase(0, id + 2);
  const size_t place = reason.find(": ");
  if (reason.starts_with("parse error") && place != std::string::npos) reason.erase(0, place + 2);
  return reason;
}

// Goes through a text without keeping anything of it, until something is wrong.
class JsonWatch : public nlohmann::json_sax<Json> {
 public:
  JsonWatch(size_t most_names, bool unique_names)
      : most_names_(most_names), unique_names_(unique_names) {}

  // The fault that was found, or "".
  const std::string& found() const { return found_; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(size_t) override { return Open(); }
  bool end_object() override { return Close(); }
  bool start_array(size_t) override { return Open(); }
  bool end_array() override { return Close(); }

  bool key(string_t& name) override {
    Level& level = open_.back();
    if (++level.num_names > most_names_)
      return Refuse(absl::StrCat("an object of more than ", most_names_, " names"));
    if (unique_names_ && !level.names.insert(name).second)
      return Refuse(absl::StrCat("key ", QuotedName(name), " twice in one object"));
    return true;
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    return Refuse(absl::StrCat("text that is not JSON at byte ", position, " (",
                               ReplaceInvalidUtf8(ReasonOf(error)), ")"));
  }

 private:
  struct Level {
    size_t num_names = 0;
    std::unordered_set<std::string> names;
  };

  bool Refuse(std::string found) {
    found_ = std::move(found);
    return false;
  }
  bool Open() {
    if (open_.size() == kDeepestJson)
      return Refuse(absl::StrCat("values nested more than ", kDeepestJson, " deep"));
    open_.emplace_back();
    return true;
  }
  bool Close() {
    open_.pop_back();
    return true;
  }

  const size_t most_names_;
  const bool unique_names_;
  std::vector<Level> open_;
  std::string found_;
};

// The fault of a text, or "".
std::string Fault(std::string_view text, size_t most_names, bool unique_names) {
  JsonWatch watch(most_names, unique_names);
  Json::sax_parse(text, &watch);
  return watch.found();
}

absl::Status FaultError(const std::string& where, const std::string& found,
                        const std::string& expected) {
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": found ", found, ", expected ", expected));
}

}  // namespace

template <typename Value>
absl::StatusOr<Value> ParseJson(std::string_view text, const std::string& where,
                                const std::string& expected) {
  constexpr bool kOrdered = std::is_same_v<Value, nlohmann::ordered_json>;
  const std::string fault =
      Fault(text, kOrdered ? kMostOrderedNames : SIZE_MAX, /*unique_names=*/false);
  if (!fault.empty()) return FaultError(where, fault, expected);
  return Value::parse(text, nullptr, /*allow_exceptions=*/false);
}

template absl::StatusOr<Json> ParseJson<Json>(std::string_view, const std::string&,
                                              const std::string&);
template absl::StatusOr<nlohmann::ordered_json> ParseJson<nlohmann::ordered_json>(
    std::string_view, const std::string&, const std::string&);

absl::StatusOr<Json> ParseJsonObject(std::string_view text, const std::string& where) {
  const std::string expected = "a JSON object";
  const std::string fault = Fault(text, SIZE_MAX, /*unique_names=*/true);
  if (!fault.empty()) return FaultError(where, fault, expected);
  Json root = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!root.is_object()) return FaultError(where, "another JSON value", expected);
  return root;
}

std::string QuotedName(const std::string& name) {
  constexpr size_t kLongest = 100;
  return Json(name.substr(0, kLongest)).dump(-1, ' ', true, Json::error_handler_t::replace);
}

}  // namespace deduce
