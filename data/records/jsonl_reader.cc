#include "data/records/jsonl_reader.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "configs/status.h"
#include "configs/text_file.h"
#include "data/text/strict_json.h"
#include "data/text/utf8.h"
#include "nlohmann/json.hpp"

namespace deduce {
namespace {

using OrderedJson = nlohmann::ordered_json;

absl::Status Wrong(const std::string& where, const std::string& found,
                   const std::string& expected) {
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": found ", found, ", expected ", expected));
}

// An error of the chat template, with the line that met it.
template <typename T>
absl::StatusOr<T> At(const std::string& where, absl::StatusOr<T> result) {
  if (result.ok()) return result;
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", result.status().message()));
}

absl::StatusOr<OrderedJson> ParseObject(std::string_view line, const std::string& where) {
  ASSIGN_OR_RETURN(OrderedJson json, ParseJson<OrderedJson>(line, where, "a JSON object"));
  if (!json.is_object()) return Wrong(where, json.type_name(), "a JSON object");
  return json;
}

// object[key] as text; `path` is what the object is called in front of the key ("",
// "messages[0].").
absl::StatusOr<std::string> Text(const OrderedJson& object, const std::string& path,
                                 const char* key, const std::string& where) {
  const auto it = object.find(key);
  if (it == object.end()) {
    return Wrong(where, absl::StrCat("no field \"", path, key, "\""), "a string");
  }
  if (!it->is_string()) {
    return Wrong(where, absl::StrCat(it->type_name(), " in field \"", path, key, "\""), "a string");
  }
  return it->get<std::string>();
}

// That `list`, the value of `key`, is messages of which the last one is `last_role`'s.
absl::Status CheckMessages(const OrderedJson& list, const std::string& key,
                           const std::string& last_role, const std::string& where) {
  if (!list.is_array() || list.empty()) {
    return Wrong(where, absl::StrCat(list.type_name(), " in field \"", key, "\""),
                 "a list of messages");
  }
  std::string role;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string path = absl::StrCat(key, "[", i, "]");
    if (!list[i].is_object()) {
      return Wrong(where, absl::StrCat(list[i].type_name(), " in \"", path, "\""), "an object");
    }
    ASSIGN_OR_RETURN(role, Text(list[i], path + ".", "role", where));
    RETURN_IF_ERROR(Text(list[i], path + ".", "content", where).status());
    if (role != "system" && role != "user" && role != "assistant") {
      return Wrong(where, absl::StrCat("another role in \"", path, "\""),
                   "system, user or assistant");
    }
  }
  if (role == last_role) return absl::OkStatus();
  return Wrong(where, absl::StrCat("a last message of the ", role),
               absl::StrCat("one of the ", last_role));
}

}  // namespace

absl::StatusOr<JsonlReader> JsonlReader::Open(const std::string& path,
                                              absl::StatusOr<ChatTemplate> chat_template) {
  JsonlReader reader;
  reader.path_ = path;
  reader.chat_template_ = std::move(chat_template);
  ASSIGN_OR_RETURN(reader.text_, ReadTextFile(path, kMostDataBytes));
  const std::string_view text = reader.text_;
  if (text.empty()) return Wrong(path, "an empty file", "one JSON object a line");
  for (size_t begin = 0; begin < text.size();) {
    reader.starts_.push_back(begin);
    begin = std::min(text.find('\n', begin), text.size() - 1) + 1;
  }
  reader.starts_.push_back(text.size());
  for (int64_t i = 0; i < reader.size(); ++i) {
    const std::string_view line = reader.Line(i);
    if (StripSpace(line).empty()) {
      return Wrong(reader.Where(i), "an empty line", "a JSON object");
    }
    if (const std::optional<size_t> bad = FindInvalidUtf8(line)) {
      return Wrong(reader.Where(i),
                   absl::StrFormat("0x%02x at byte %d of the line",
                                   static_cast<unsigned char>(line[*bad]), *bad),
                   "UTF-8");
    }
  }
  return reader;
}

std::string JsonlReader::Where(int64_t i) const { return absl::StrCat(path_, ":", i + 1); }

std::string_view JsonlReader::Line(int64_t i) const {
  return std::string_view(text_).substr(starts_[i], starts_[i + 1] - starts_[i]);
}

absl::StatusOr<TextSample> JsonlReader::ReadSample(int64_t i) const {
  const std::string where = Where(i);
  ASSIGN_OR_RETURN(const OrderedJson json, ParseObject(Line(i), where));
  TextSample sample;
  if (const auto list = json.find("messages"); list != json.end()) {
    RETURN_IF_ERROR(CheckMessages(*list, "messages", "assistant", where));
    ASSIGN_OR_RETURN(sample, At(where, ChatSample(*list, chat_template_)));
  } else if (json.contains("text")) {
    ASSIGN_OR_RETURN(sample.completion, Text(json, "", "text", where));
  } else {
    ASSIGN_OR_RETURN(sample.prompt, Text(json, "", "prompt", where));
    ASSIGN_OR_RETURN(sample.completion, Text(json, "", "completion", where));
  }
  return sample;
}

absl::StatusOr<Problem> JsonlReader::ReadProblem(int64_t i) const {
  const std::string where = Where(i);
  ASSIGN_OR_RETURN(const OrderedJson json, ParseObject(Line(i), where));
  Problem problem;
  if (const auto prompt = json.find("prompt"); prompt != json.end() && prompt->is_array()) {
    RETURN_IF_ERROR(CheckMessages(*prompt, "prompt", "user", where));
    ASSIGN_OR_RETURN(TextPrompt text, At(where, ChatPrompt(*prompt, chat_template_)));
    problem.prompt = std::move(text.text);
    problem.whole_prompt = text.whole;
  } else {
    ASSIGN_OR_RETURN(problem.prompt, Text(json, "", "prompt", where));
  }
  ASSIGN_OR_RETURN(problem.answer, Text(json, "", "answer", where));
  ASSIGN_OR_RETURN(problem.verifier, Text(json, "", "verifier", where));
  if (json.contains("language")) {
    ASSIGN_OR_RETURN(problem.language, Text(json, "", "language", where));
  }
  return problem;
}

}  // namespace deduce
