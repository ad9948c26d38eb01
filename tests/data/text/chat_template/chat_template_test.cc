#include "data/text/chat_template/chat_template.h"

#include <gtest/gtest.h>

#include "nlohmann/json.hpp"

namespace deduce {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kTemplate[] =
    "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}{% if tools is none and x is not defined "
    "%}.{% endif %}";

TEST(ChatTemplateTest, RendersWithTokensAndOptions) {
  const auto chat = ChatTemplate::Parse(kTemplate, "t", {{"bos_token", "<s>"}});
  ASSERT_TRUE(chat.ok()) << chat.status();
  const Json messages = Json::parse(R"([{"role": "user", "content": "hi"}])");
  EXPECT_EQ(*chat->Render(messages), "<s><user>hi\n.");
  const Json x = {{"x", 1}}, no_begin = {{"bos_token", ""}};
  EXPECT_EQ(*chat->Render(messages, {.add_generation_prompt = true, .variables = &x}),
            "<s><user>hi\n<assistant>");
  EXPECT_EQ(*chat->Render(messages, {.variables = &no_begin}), "<user>hi\n.");
  EXPECT_EQ(*chat->Render(messages, {.continue_final_message = true}), "<s><user>hi");
}

TEST(ChatTemplateTest, ErrorsSayWhere) {
  const Json messages = Json::parse(R"([{"role": "user"}])");
  const auto render = [&](const std::string& text, const ChatOptions& options = {}) {
    return std::string(
        ChatTemplate::Parse(text, "f.jinja")->Render(messages, options).status().message());
  };
  EXPECT_EQ(render("\n{{ messages[0].content + 'x' }}"),
            "f.jinja:2: found no \"content\" in a dict, expected a value");
  EXPECT_EQ(render("", {.add_generation_prompt = true, .continue_final_message = true}),
            "chat options: found continue_final_message with add_generation_prompt, expected one "
            "of them");
  const Json taken = {{"messages", 1}};
  EXPECT_EQ(render("", {.variables = &taken}),
            "chat options: found a variable messages, expected another name");
  EXPECT_EQ(ChatTemplate::Parse("{% if", "f.jinja").status().message(),
            "f.jinja:1: found a tag without an end, expected %}");
}

TEST(ChatTemplateTest, ToolsAreAVariable) {
  const auto whole = ChatTemplate::Parse(
      "{% if tools %}{% for t in tools %}{{ t.function | tojson }}\n{% endfor %}{% endif %}"
      "{{ messages[0].content }}",
      "t");
  ASSERT_TRUE(whole.ok()) << whole.status();
  const auto messages = nlohmann::ordered_json::parse(R"([{"role": "user", "content": "hi"}])");
  const auto variables = nlohmann::ordered_json::parse(
      R"({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"x": 1}}}]})");
  EXPECT_EQ(*whole->Render(messages, {.variables = &variables}),
            "{\"name\": \"f\", \"parameters\": {\"x\": 1}}\nhi");
  EXPECT_EQ(*whole->Render(messages), "hi");
}

TEST(ChatTemplateTest, ATemplateOfMoreBytesThanAnyoneNeedsIsRefused) {
  EXPECT_TRUE(ChatTemplate::Parse(std::string(1 << 20, 'x'), "t").ok());
  EXPECT_EQ(ChatTemplate::Parse(std::string((1 << 20) + 1, 'x'), "t").status().message(),
            "t: found a template of 1048577 bytes, expected at most 1048576");
}

}  // namespace
}  // namespace deduce
