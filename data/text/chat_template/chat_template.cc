#include "data/text/chat_template/chat_template.h"

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/text/chat_template/conversation.h"
#include "data/text/chat_template/evaluator.h"
#include "data/text/chat_template/renderer.h"
#include "data/text/chat_template/template_parser.h"
#include "data/text/chat_template/values/json_text.h"

namespace deduce {

struct ChatTemplate::Parsed {
  jinja::Template whole;
};

namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr size_t kMostTemplateBytes = 1 << 20;  // published ones have some 20,000

absl::StatusOr<jinja::Value> ToValue(const OrderedJson& json, const std::string& where) {
  absl::StatusOr<jinja::Value> value = jinja::FromJson(json);
  if (value.ok()) return value;
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": ", std::string(value.status().message())));
}

absl::Status WrongOptions(const std::string& found, const std::string& expected) {
  return absl::InvalidArgumentError(
      absl::StrCat("chat options: found ", found, ", expected ", expected));
}

// The variables of a rendering; the first of a name counts.
absl::StatusOr<jinja::Variables> MakeVariables(const OrderedJson& messages,
                                               const ChatOptions& options,
                                               const std::map<std::string, std::string>& tokens) {
  jinja::Variables variables;
  ASSIGN_OR_RETURN(const jinja::Value conversation, ToValue(messages, "messages"));
  variables.emplace_back("messages", conversation);
  variables.emplace_back("add_generation_prompt",
                         jinja::Value::Bool(options.add_generation_prompt));
  const OrderedJson given =
      options.variables == nullptr ? OrderedJson::object() : *options.variables;
  if (!given.is_object()) {
    return WrongOptions(absl::StrCat("variables in a ", given.type_name()), "an object");
  }
  for (const auto& [name, json] : given.items()) {
    if (name == "messages" || name == "add_generation_prompt") {
      return WrongOptions(absl::StrCat("a variable ", name), "another name");
    }
    ASSIGN_OR_RETURN(const jinja::Value value, ToValue(json, absl::StrCat("chat options: ", name)));
    variables.emplace_back(name, value);
  }
  for (const auto& [name, token] : tokens)
    variables.emplace_back(name, jinja::Value::String(token));
  variables.emplace_back("tools", jinja::Value::None());
  variables.emplace_back("documents", jinja::Value::None());
  return variables;
}

}  // namespace

absl::StatusOr<ChatTemplate> ChatTemplate::Parse(
    std::string_view text, const std::string& where,
    std::map<std::string, std::string> special_tokens) {
  if (text.size() > kMostTemplateBytes) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": found a template of ", text.size(),
                                                   " bytes, expected at most ",
                                                   kMostTemplateBytes));
  }
  ASSIGN_OR_RETURN(jinja::Template whole, jinja::ParseTemplate(text, where));
  ChatTemplate result;
  result.text_ = std::string(text);
  result.where_ = where;
  result.special_tokens_ = std::move(special_tokens);
  result.parsed_ = std::make_shared<const Parsed>(Parsed{std::move(whole)});
  return result;
}

absl::StatusOr<std::string> ChatTemplate::Render(const OrderedJson& messages,
                                                 const ChatOptions& options) const {
  ASSIGN_OR_RETURN(OrderedJson conversation, PrepareConversation(messages));
  std::string final_message;
  if (options.continue_final_message) {
    if (options.add_generation_prompt) {
      return WrongOptions("continue_final_message with add_generation_prompt", "one of them");
    }
    if (!absl::StrContains(text_, "content")) {
      return WrongOptions("continue_final_message", "a template that reads content");
    }
    ASSIGN_OR_RETURN(final_message, MarkFinalMessage(conversation));
  }
  ASSIGN_OR_RETURN(const jinja::Variables variables,
                   MakeVariables(conversation, options, special_tokens_));
  absl::StatusOr<std::string> text = jinja::RenderTemplate(
      parsed_->whole, variables, options.now ? *options.now : std::time(nullptr));
  if (!text.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(where_, ":", jinja::LineOf(text.status()), ": ",
                                                   std::string(text.status().message())));
  }
  if (!options.continue_final_message) return text;
  return CutAtMark(*std::move(text), final_message);
}

}  // namespace deduce
