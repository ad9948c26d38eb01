#include "data/records/json_row.h"

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "data/text/strict_json.h"
#include "data/text/utf8.h"

namespace deduce {
namespace {

using OrderedJson = nlohmann::ordered_json;
constexpr char kSpace[] = " \t\r\n";

absl::Status NoObject(const std::string& where, const std::string& found) {
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": found ", found, ", expected a JSON object"));
}

// Reads a text that is not JSON, and keeps the reason why not.
class ReasonKeeper : public nlohmann::json_sax<OrderedJson> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    column = position;
    // "[json.exception.parse_error.101] parse error at line 1, column 8: REASON; last read: 'TEXT'"
    reason = error.what();
    reason = reason.substr(0, reason.find("; last read: "));
    if (const size_t id = reason.find("] "); id != std::string::npos) reason.erase(0, id + 2);
    if (const size_t place = reason.find(": ");
        reason.starts_with("parse error") && place != std::string::npos)
      reason.erase(0, place + 2);
    return false;
  }

  size_t column = 0;
  std::string reason;
};

}  // namespace

absl::StatusOr<OrderedJson> ParseRow(std::string_view line, const std::string& where) {
  if (const std::optional<size_t> bad = FindInvalidUtf8(line)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: found 0x%02x at byte %d of the line, expected UTF-8", where,
                        static_cast<unsigned char>(line[*bad]), *bad));
  }
  absl::StatusOr<OrderedJson> row = ParseJson<OrderedJson>(line, where, "a JSON object");
  if (!row.ok()) {
    ReasonKeeper keeper;
    if (OrderedJson::sax_parse(line, &keeper)) return row.status();  // too deep, or too many names
    return NoObject(where, absl::StrCat("text that is not JSON at column ", keeper.column, " (",
                                        ReplaceInvalidUtf8(keeper.reason), ")"));
  }
  if (!row->is_object()) return NoObject(where, row->type_name());
  return row;
}

std::string NumberAsWritten(std::string_view line, const std::string& key) {
  const std::string quoted = absl::StrCat("\"", key, "\"");
  std::string_view number;
  int depth = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '{' || line[i] == '[') ++depth;
    if (line[i] == '}' || line[i] == ']') --depth;
    if (line[i] != '"') continue;
    const size_t begin = i;
    for (++i; line[i] != '"'; ++i) i += line[i] == '\\' ? 1 : 0;
    if (depth != 1 || line.substr(begin, i + 1 - begin) != quoted) continue;
    const size_t colon = line.find_first_not_of(kSpace, i + 1);
    if (line[colon] != ':') continue;  // the text is a value
    const size_t value = line.find_first_not_of(kSpace, colon + 1);
    // Of a key that comes again, the last value counts.
    number = line.substr(value, line.find_first_of(" \t\r\n,}", value) - value);
  }
  return std::string(number);
}

}  // namespace deduce
