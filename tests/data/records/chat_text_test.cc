#include "data/records/chat_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "nlohmann/json.hpp"

namespace deduce {
namespace {

using Json = nlohmann::ordered_json;
using ::testing::HasSubstr;

// In the form of ChatML, as Qwen's and SmolLM2's templates are.
constexpr char kChatMl[] =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

absl::StatusOr<ChatTemplate> Template(const std::string& text) {
  return ChatTemplate::Parse(text, "test", {{"eos_token", "<|im_end|>"}});
}

Json User(const std::string& text) { return {{"role", "user"}, {"content", text}}; }
Json Assistant(const std::string& text) { return {{"role", "assistant"}, {"content", text}}; }

TEST(ChatPromptTest, EndsWithTheHeaderOfTheAnswer) {
  const auto prompt = ChatPrompt(Json::array({User("hi")}), Template(kChatMl));
  ASSERT_TRUE(prompt.ok()) << prompt.status();
  EXPECT_EQ(prompt->text, "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_TRUE(prompt->whole);
}

TEST(ChatPromptTest, WithoutTemplateContentsAreJoined) {
  const auto prompt = ChatPrompt(Json::array({User("a"), User("b")}), NoChatTemplate());
  ASSERT_TRUE(prompt.ok()) << prompt.status();
  EXPECT_EQ(prompt->text, "a\nb");
  EXPECT_FALSE(prompt->whole);
}

TEST(ChatPromptTest, ATemplateThatCannotBeUsedIsAnError) {
  const auto broken = Template("{% if %}");
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(ChatPrompt(Json::array({User("hi")}), broken).status(), broken.status());
}

TEST(ChatSampleTest, TheCompletionIsTheLastMessageWithoutItsEnd) {
  const auto sample = ChatSample(Json::array({User("hi"), Assistant("ho")}), Template(kChatMl));
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_EQ(sample->prompt, "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(sample->completion, "ho");
  EXPECT_TRUE(sample->whole);
}

TEST(ChatSampleTest, AnEndTokenWithinTheAnswerStays) {
  const auto sample = ChatSample(Json::array({User("hi"), Assistant("a<|im_end|>b")}),
                                 Template("{% for m in messages %}{{ m.content }};{% endfor %}"));
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_EQ(sample->completion, "a<|im_end|>b;");
}

TEST(ChatSampleTest, RefusesATemplateThatWritesTheAnswerElsewhere) {
  const auto sample = ChatSample(Json::array({User("hi"), Assistant("ho")}),
                                 Template("{% for m in messages %}{{ m.content }}{% endfor %}"
                                          "{% if add_generation_prompt %}<think>{% endif %}"));
  EXPECT_THAT(std::string(sample.status().message()), HasSubstr("found a chat template that"));
}

TEST(ChatSampleTest, RefusesAnAnswerToNothing) {
  const auto sample = ChatSample(Json::array({Assistant("ho")}), Template(kChatMl));
  EXPECT_THAT(std::string(sample.status().message()), HasSubstr("found one message"));
}

}  // namespace
}  // namespace deduce
