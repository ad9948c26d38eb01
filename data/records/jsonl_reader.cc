#include "data/records/jsonl_reader.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "configs/status.h"
#include "configs/text_file.h"
#include "data/records/json_row.h"
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

// The value at `key`; null if it is not there, or is JSON's null.
const OrderedJson* Find(const OrderedJson& object, const char* key) {
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

// object[key] as text; `path` is what the object is called in front of the key ("",
// "messages[0].").
absl::StatusOr<std::string> Text(const OrderedJson& object, const std::string& path,
                                 const char* key, const std::string& where,
                                 const std::string& expected = "a string") {
  const auto it = object.find(key);
  if (it == object.end()) {
    return Wrong(where, absl::StrCat("no field \"", path, key, "\""), expected);
  }
  if (!it->is_string()) {
    return Wrong(where, absl::StrCat(it->type_name(), " in field \"", path, key, "\""), expected);
  }
  return it->get<std::string>();
}

// A message's role.
absl::StatusOr<std::string> CheckMessage(const OrderedJson& message, const std::string& path,
                                         const std::string& where) {
  if (!message.is_object()) {
    return Wrong(where, absl::StrCat(message.type_name(), " in \"", path, "\""), "an object");
  }
  ASSIGN_OR_RETURN(const std::string role, Text(message, path + ".", "role", where));
  if (role != "system" && role != "developer" && role != "user" && role != "assistant" &&
      role != "tool") {
    return Wrong(where, absl::StrCat("another role in \"", path, "\""),
                 "system, developer, user, assistant or tool");
  }
  // A message that calls tools may say nothing beside.
  if (Find(message, "content") != nullptr || Find(message, "tool_calls") == nullptr)
    RETURN_IF_ERROR(Text(message, path + ".", "content", where).status());
  return role;
}

// That `list`, the value of `key`, is messages of which the last one is of one of `last_roles`.
absl::Status CheckMessages(const OrderedJson& list, const std::string& key,
                           const std::vector<std::string>& last_roles, const std::string& where) {
  if (!list.is_array() || list.empty()) {
    return Wrong(where, absl::StrCat(list.type_name(), " in field \"", key, "\""),
                 "a list of messages");
  }
  std::string role;
  for (size_t i = 0; i < list.size(); ++i) {
    ASSIGN_OR_RETURN(role, CheckMessage(list[i], absl::StrCat(key, "[", i, "]"), where));
  }
  if (std::find(last_roles.begin(), last_roles.end(), role) != last_roles.end())
    return absl::OkStatus();
  return Wrong(where, absl::StrCat("a last message of the ", role),
               absl::StrCat("one of the ", last_roles.front()));
}

// Whether any message has a weight.
absl::StatusOr<bool> CheckWeights(const OrderedJson& messages, const std::string& where) {
  bool any = false;
  for (size_t i = 0; i < messages.size(); ++i) {
    const OrderedJson* weight = Find(messages[i], "weight");
    if (weight == nullptr) continue;
    any = true;
    const bool may_be_1 = messages[i].at("role") == "assistant";
    if (weight->is_number() && (*weight == 0 || (*weight == 1 && may_be_1))) continue;
    return Wrong(where,
                 absl::StrCat(weight->is_number() ? weight->dump() : weight->type_name(),
                              " in field \"messages[", i, "].weight\""),
                 may_be_1 ? "0 or 1" : "0, as only the assistant's messages are learned");
  }
  return any;
}

// The row's tools, null for none.
absl::StatusOr<const OrderedJson*> FindTools(const OrderedJson& row, const std::string& where) {
  const OrderedJson* tools = Find(row, "tools");
  if (tools != nullptr && !tools->is_array())
    return Wrong(where, absl::StrCat(tools->type_name(), " in field \"tools\""), "a list");
  return tools;
}

// Text, or a number as it is written.
absl::StatusOr<std::string> Answer(const OrderedJson& row, std::string_view line,
                                   const std::string& where) {
  const auto answer = row.find("answer");
  if (answer == row.end() || !answer->is_number())
    return Text(row, "", "answer", where, "a string or a number");
  const std::string written = NumberAsWritten(line, "answer");
  // It is not found where the key is written with escapes.
  const OrderedJson again = OrderedJson::parse(written, nullptr, /*allow_exceptions=*/false);
  return again == *answer ? written : answer->dump();
}

// The row's verifier, or that of rows that name none; one of `known`, unless that is empty.
absl::StatusOr<std::string> Verifier(const OrderedJson& row,
                                     const std::optional<std::string>& otherwise,
                                     const std::vector<std::string>& known,
                                     const std::string& where) {
  if (Find(row, "verifier") == nullptr && otherwise) return *otherwise;
  ASSIGN_OR_RETURN(std::string name, Text(row, "", "verifier", where,
                                          "a string, or data.verifier for rows without one"));
  if (known.empty() || std::find(known.begin(), known.end(), name) != known.end()) return name;
  return Wrong(where, absl::StrCat("\"", name, "\" in field \"verifier\""),
               absl::StrCat("one of ", absl::StrJoin(known, ", ")));
}

}  // namespace

RowOptions OptionsOfRows(const DataConfig& config, const Tokenizer& tokenizer, LearnedTurns turns) {
  RowOptions options{.chat_template = tokenizer.chat_template(), .turns = turns};
  if (config.has_system()) options.system = config.system();
  if (config.has_verifier()) options.verifier = config.verifier();
  return options;
}

absl::StatusOr<JsonlReader> JsonlReader::Open(const std::string& path, RowOptions options) {
  JsonlReader reader;
  reader.path_ = path;
  reader.options_ = std::move(options);
  ASSIGN_OR_RETURN(reader.text_, ReadTextFile(path, kMostDataBytes));
  const std::string_view text = reader.text_;
  int64_t line = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
    ++line;
    if (!StripSpace(text.substr(begin, end - begin)).empty())
      reader.rows_.push_back({begin, end, line});
    begin = end;
  }
  if (!reader.rows_.empty()) return reader;
  return Wrong(path, text.empty() ? "an empty file" : "blank lines alone",
               "one JSON object a line");
}

std::string JsonlReader::Where(int64_t i) const { return absl::StrCat(path_, ":", rows_[i].line); }

absl::StatusOr<OrderedJson> JsonlReader::Parse(int64_t i) const {
  return ParseRow(std::string_view(text_).substr(rows_[i].begin, rows_[i].end - rows_[i].begin),
                  Where(i));
}

OrderedJson JsonlReader::WithSystem(const OrderedJson& messages) const {
  const OrderedJson& role = messages.front().at("role");
  if (!options_.system || role == "system" || role == "developer") return messages;
  OrderedJson all = OrderedJson::array();
  all.push_back({{"role", "system"}, {"content", *options_.system}});
  all.insert(all.end(), messages.begin(), messages.end());
  return all;
}

absl::StatusOr<TextSample> JsonlReader::ReadConversation(const OrderedJson& row,
                                                         const std::string& where) const {
  const OrderedJson& list = row.at("messages");
  RETURN_IF_ERROR(CheckMessages(list, "messages", {"assistant"}, where));
  ASSIGN_OR_RETURN(const bool has_weights, CheckWeights(list, where));
  ASSIGN_OR_RETURN(const OrderedJson* tools, FindTools(row, where));
  if (has_weights && options_.turns == LearnedTurns::kAllText) {
    return Wrong(where, "a \"weight\" in \"messages\"",
                 "none where all text is learned (completion_only_loss: false)");
  }
  const OrderedJson messages = WithSystem(list);
  const bool every_turn = options_.turns == LearnedTurns::kEvery;
  return At(where, has_weights || every_turn
                       ? ChatTurns(messages, every_turn, options_.chat_template, tools)
                       : ChatSample(messages, options_.chat_template, tools));
}

absl::StatusOr<TextSample> JsonlReader::ReadSample(int64_t i) const {
  const std::string where = Where(i);
  ASSIGN_OR_RETURN(const OrderedJson row, Parse(i));
  if (row.contains("messages")) return ReadConversation(row, where);
  TextSample sample;
  if (row.contains("text")) {
    ASSIGN_OR_RETURN(sample.completion, Text(row, "", "text", where));
  } else {
    ASSIGN_OR_RETURN(sample.prompt, Text(row, "", "prompt", where));
    ASSIGN_OR_RETURN(sample.completion, Text(row, "", "completion", where));
  }
  return sample;
}

absl::StatusOr<Problem> JsonlReader::ReadProblem(int64_t i,
                                                 const std::vector<std::string>& verifiers) const {
  const std::string where = Where(i);
  ASSIGN_OR_RETURN(const OrderedJson row, Parse(i));
  Problem problem{.where = where};
  const char* key = row.contains("prompt") || !row.contains("messages") ? "prompt" : "messages";
  ASSIGN_OR_RETURN(const OrderedJson* tools, FindTools(row, where));
  const OrderedJson* list = Find(row, key);
  if (list != nullptr && (list->is_array() || key == std::string_view("messages"))) {
    RETURN_IF_ERROR(CheckMessages(*list, key, {"user", "tool"}, where));
    ASSIGN_OR_RETURN(TextPrompt text,
                     At(where, ChatPrompt(WithSystem(*list), options_.chat_template, tools)));
    problem.prompt = std::move(text.text);
    problem.whole_prompt = text.whole;
  } else {
    ASSIGN_OR_RETURN(problem.prompt, Text(row, "", key, where, "a text or a list of messages"));
    if (tools != nullptr) return Wrong(where, "tools beside a prompt that is a text", "messages");
  }
  const Row& bytes = rows_[i];
  ASSIGN_OR_RETURN(
      problem.answer,
      Answer(row, std::string_view(text_).substr(bytes.begin, bytes.end - bytes.begin), where));
  ASSIGN_OR_RETURN(problem.verifier, Verifier(row, options_.verifier, verifiers, where));
  if (row.contains("language")) {
    ASSIGN_OR_RETURN(problem.language, Text(row, "", "language", where));
  }
  return problem;
}

absl::StatusOr<JsonlReader::Kinds> JsonlReader::KindsOf(int64_t i) const {
  ASSIGN_OR_RETURN(const OrderedJson row, Parse(i));
  const OrderedJson* messages = Find(row, "messages");
  const bool answered = messages != nullptr && messages->is_array() && !messages->empty() &&
                        messages->back().is_object() &&
                        messages->back().value("role", OrderedJson()) == "assistant";
  Kinds kinds;
  kinds.sample =
      answered || (messages == nullptr && (row.contains("completion") || row.contains("text")));
  kinds.problem =
      row.contains("answer") && (row.contains("prompt") || (messages != nullptr && !answered));
  if (kinds.sample || kinds.problem) return kinds;
  return Wrong(
      Where(i), "neither an answer nor a completion",
      "\"answer\", \"completion\", \"text\", or \"messages\" that end with the assistant's");
}

}  // namespace deduce
