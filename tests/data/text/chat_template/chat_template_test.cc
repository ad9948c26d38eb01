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

}  // namespace
}  // namespace deduce
