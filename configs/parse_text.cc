#include "configs/parse_text.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/text_format.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace deduce {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// The parser says this about a second member of a oneof.
constexpr char kAnotherMember[] = "another member of oneof";

struct Position {
  int line = 0;  // from 0, as the parser counts
  int column = 0;

  bool operator<(const Position& other) const {
    return std::pair(line, column) < std::pair(other.line, other.column);
  }
};

struct FirstError : google::protobuf::io::ErrorCollector {
  void AddError(int line, google::protobuf::io::ColumnNumber column,
                const std::string& text) override {
    if (message.empty()) {
      position = {line, static_cast<int>(column)};
      message = text;
    }
  }

  Position position;
  std::string message;
};

// Where in the nesting of fields a position of the text lies; the parser's own errors do not say.
struct Context {
  std::vector<std::string> open;  // names of the messages around the position, outermost first
  std::string field;              // the last name before the position, outside of any value
  Position previous_token;
};

Context FindContext(const std::string& text, const Position& end) {
  google::protobuf::io::ArrayInputStream stream(text.data(), static_cast<int>(text.size()));
  FirstError ignored;
  google::protobuf::io::Tokenizer tokens(&stream, &ignored);
  tokens.set_comment_style(google::protobuf::io::Tokenizer::SH_COMMENT_STYLE);
  Context context;
  bool in_value = false;
  while (tokens.Next()) {
    const auto& token = tokens.current();
    const Position here{token.line, static_cast<int>(token.column)};
    if (!(here < end)) break;
    context.previous_token = here;
    if (token.text == "{") {
      context.open.push_back(std::exchange(context.field, ""));
      in_value = false;
    } else if (token.text == "}") {
      if (!context.open.empty()) context.open.pop_back();
      context.field.clear();
      in_value = false;
    } else if (token.text == ":") {
      in_value = true;
    } else if (in_value) {
      in_value = token.text == "-";  // the sign is a token of its own
    } else if (token.type == google::protobuf::io::Tokenizer::TYPE_IDENTIFIER) {
      context.field = token.text;
    }
  }
  return context;
}

// The message type reached by following `names`; null if one of them is no message field.
const Descriptor* FindMessage(const std::vector<std::string>& names) {
  const Descriptor* message = RunConfig::descriptor();
  for (const std::string& name : names) {
    const FieldDescriptor* field = message->FindFieldByName(name);
    if (field == nullptr || field->message_type() == nullptr) return nullptr;
    message = field->message_type();
  }
  return message;
}

std::string FieldNames(const Descriptor* message) {
  std::vector<std::string> names;
  for (int i = 0; i < message->field_count(); ++i) names.push_back(message->field(i)->name());
  return absl::StrJoin(names, ", ");
}

// What a value of the field may be.
std::string Expected(const FieldDescriptor* field) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_ENUM: {
      std::vector<std::string> names;
      for (int i = 0; i < field->enum_type()->value_count(); ++i) {
        names.push_back(field->enum_type()->value(i)->name());
      }
      return absl::StrCat("one of ", absl::StrJoin(names, ", "));
    }
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_INT64:
      return "an integer";
    case FieldDescriptor::CPPTYPE_UINT64:
      return "an integer of at least 0";
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return "a number";
    case FieldDescriptor::CPPTYPE_STRING:
      return "a string in quotes";
    default:
      return "{ fields }";
  }
}

std::string Quoted(absl::string_view text) {
  text = absl::StripSuffix(text, ".");
  if (text.empty() || text == "\"\"") return "the end of the text";
  return text.front() == '"' || text.front() == '\'' ? std::string(text)
                                                     : absl::StrCat("\"", text, "\"");
}

// The parser's sentence about `field` (null if none is known) in the project's words.
std::string Rephrase(const std::string& message, const FieldDescriptor* field) {
  // "Expected A, got: B" and "Expected A, found B."
  for (absl::string_view separator : {", got: ", ", found "}) {
    if (!absl::StartsWith(message, "Expected ") || !absl::StrContains(message, separator)) continue;
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(message.substr(9), absl::MaxSplits(separator, 1));
    const bool structure = parts.first.front() == '"' || parts.first == "identifier";
    const std::string expected =
        parts.first == "identifier" ? "a field or the end of its message" : parts.first;
    return absl::StrCat("found ", Quoted(parts.second), ", expected ",
                        structure || field == nullptr ? expected : Expected(field));
  }
  const std::vector<std::string> quoted = absl::StrSplit(message, '"');
  if (field != nullptr && quoted.size() >= 4) {
    if (absl::StartsWith(message, "Unknown enumeration value")) {
      return absl::StrCat("found ", Quoted(quoted[1]), ", expected ", Expected(field));
    }
    if (absl::StartsWith(message, "Invalid value for boolean")) {
      return absl::StrCat("found ", Quoted(quoted[3]), ", expected ", Expected(field));
    }
  }
  if (absl::StartsWith(message, "Non-repeated field")) return "found a second value, expected one";
  if (absl::StrContains(message, kAnotherMember) && field != nullptr) {
    return absl::StrCat("found it beside ", quoted[3], ", expected only one of ",
                        MemberNames(field->real_containing_oneof()));
  }
  if (absl::StartsWith(message, "Integer out of range")) {
    return absl::StrCat(
        "found an integer out of range, expected ",
        field == nullptr ? "one of 64 bits" : absl::StrCat(Expected(field), " of 64 bits"));
  }
  return absl::StrCat("found text the parser refuses (", absl::StripSuffix(message, "."),
                      "), expected protobuf text format");
}

std::string Describe(const std::string& text, const std::string& source, const FirstError& error) {
  Context context = FindContext(text, error.position);
  Position position = error.position;
  const std::vector<std::string> quoted = absl::StrSplit(error.message, '"');
  // These are noticed one token late.
  const bool unknown_field = absl::StrContains(error.message, "has no field named");
  const bool late = unknown_field || absl::StartsWith(error.message, "Unknown enumeration value") ||
                    absl::StartsWith(error.message, "Invalid value for boolean") ||
                    absl::StartsWith(error.message, "Non-repeated field") ||
                    absl::StrContains(error.message, kAnotherMember);
  if (late) position = context.previous_token;
  if (absl::StartsWith(error.message, "Expected identifier"))
    context.field.clear();  // the one before is complete
  const Descriptor* message = FindMessage(context.open);
  const FieldDescriptor* field =
      message == nullptr ? nullptr : message->FindFieldByName(context.field);

  std::vector<std::string> names = context.open;
  if (unknown_field) context.field = quoted[quoted.size() - 2];
  if (!context.field.empty()) names.push_back(context.field);
  std::string what =
      unknown_field && message != nullptr
          ? absl::StrCat("found an unknown field, expected one of ", FieldNames(message))
          : Rephrase(error.message, field);
  return absl::StrReplaceAll(
      absl::StrCat(source, ":", position.line + 1, ":", position.column + 1, ": ",
                   absl::StrJoin(names, "."), names.empty() ? "" : ": ", what),
      {{"\n", " "}, {"\r", " "}});
}

}  // namespace

std::string MemberNames(const google::protobuf::OneofDescriptor* oneof) {
  std::vector<std::string> names;
  for (int i = 0; i < oneof->field_count(); ++i) names.push_back(oneof->field(i)->name());
  return absl::StrJoin(names, ", ");
}

absl::StatusOr<RunConfig> ParseConfigText(const std::string& text, const std::string& source) {
  FirstError error;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  RunConfig config;
  if (!parser.ParseFromString(text, &config)) {
    return absl::InvalidArgumentError(Describe(text, source, error));
  }
  return config;
}

}  // namespace deduce
