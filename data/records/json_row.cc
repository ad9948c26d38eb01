#include "data/records/json_row.h"

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "configs/status.h"
#include "data/text/strict_json.h"
#include "data/text/utf8.h"

namespace deduce {
namespace {

using OrderedJson = nlohmann::ordered_json;
constexpr char kSpace[] = " \t\r\n";

}  // namespace

absl::StatusOr<OrderedJson> ParseRow(std::string_view line, const std::string& where) {
  if (const std::optional<size_t> bad = FindInvalidUtf8(line)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: found 0x%02x at byte %d of the line, expected UTF-8", where,
                        static_cast<unsigned char>(line[*bad]), *bad));
  }
  constexpr char kExpected[] = "a JSON object";
  ASSIGN_OR_RETURN(OrderedJson row, ParseJson<OrderedJson>(line, where, kExpected));
  if (!row.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": found ", row.type_name(), ", expected ", kExpected));
  }
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
    // The last value of a key that comes again counts.
    number = line.substr(value, line.find_first_of(" \t\r\n,}", value) - value);
  }
  return std::string(number);
}

}  // namespace deduce
