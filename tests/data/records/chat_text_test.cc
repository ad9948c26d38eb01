#include "data/records/chat_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "nlohmann/json.hpp"

namespace deduce {
namespace {

using Json = nlohmann::ordered_json;
using ::testing::ElementsAre;
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

// The learned parts of a conversation, each as the text it stands for.
std::vector<std::string> LearnedTexts(const Json& messages, bool every_turn,
                                      const std::string& chat_template = kChatMl) {
  const auto sample = ChatTurns(messages, every_turn, Template(chat_template));
  EXPECT_TRUE(sample.ok()) << sample.status();
  std::vector<std::string> texts;
  for (const TextSpan& span : sample->learned)
    texts.push_back(sample->completion.substr(span.begin, span.end - span.begin));
  return texts;
}

Json Weighted(Json message, int weight) {
  message["weight"] = weight;
  return message;
}

TEST(ChatTurnsTest, AllOfTheAssistantsMessagesAreLearnedUpToTheirEndTokens) {
  const Json messages = Json::array({User("q"), Assistant("a"), User("r"), Assistant("b")});
  const auto sample = ChatTurns(messages, /*every_turn=*/true, Template(kChatMl));
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_EQ(sample->prompt, "");
  EXPECT_EQ(sample->completion,
            "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\na<|im_end|>\n"
            "<|im_start|>user\nr<|im_end|>\n<|im_start|>assistant\nb");
  // The last one's end token is the sample's, which is added later.
  EXPECT_THAT(LearnedTexts(messages, true), ElementsAre("a<|im_end|>", "b"));
  EXPECT_EQ(sample->learned.back().end, sample->completion.size());
}

TEST(ChatTurnsTest, AWeightComesFirst) {
  const Json messages = Json::array({User("q"), Weighted(Assistant("a"), 1), User("r"),
                                     Assistant("b"), User("s"), Weighted(Assistant("c"), 0)});
  EXPECT_THAT(LearnedTexts(messages, true), ElementsAre("a<|im_end|>", "b<|im_end|>"));
  EXPECT_THAT(LearnedTexts(messages, false), ElementsAre("a<|im_end|>"));
}

TEST(ChatTurnsTest, ATemplateThatChangesEarlierMessagesIsRefusedUnlessTheyAreNotLearned) {
  // As templates do that leave the reasoning of earlier answers out.
  const char* const text =
      "{% for m in messages %}{{ m.role }}:{{ m.content if loop.last else '-' }};{% endfor %}"
      "{% if add_generation_prompt %}assistant:{% endif %}";
  const auto conversation = [](int weight) {
    return Json::array({User("q"), Weighted(Assistant("a"), weight), User("r"), Assistant("b")});
  };
  EXPECT_THAT(std::string(ChatTurns(conversation(1), true, Template(text)).status().message()),
              HasSubstr("found a chat template that writes message 1 differently when the "
                        "conversation goes on"));
  EXPECT_FALSE(ChatTurns(conversation(0), true, Template(text)).ok());  // its prompt changes too
  const char* const stable = "{% for m in messages %}{{ m.content }};{% endfor %}";
  EXPECT_THAT(LearnedTexts(conversation(0), true, stable), ElementsAre("b;"));
}

TEST(ChatTurnsTest, WhatCannotBeLearnedIsRefused) {
  const auto error = [](const Json& messages, const absl::StatusOr<ChatTemplate>& chat) {
    return std::string(ChatTurns(messages, true, chat).status().message());
  };
  const Json greeting = Json::array({Assistant("a"), User("q"), Assistant("b")});
  EXPECT_THAT(error(greeting, Template(kChatMl)), HasSubstr("found the assistant's message first"));
  EXPECT_THAT(error(Json::array({User("q"), Weighted(Assistant("a"), 0)}), Template(kChatMl)),
              HasSubstr("found nothing to learn"));
  EXPECT_THAT(error(greeting, NoChatTemplate()), HasSubstr("found no chat template, expected one"));
}

}  // namespace
}  // namespace deduce
