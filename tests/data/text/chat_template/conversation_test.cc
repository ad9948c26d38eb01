#include "data/text/chat_template/conversation.h"

#include <gtest/gtest.h>

namespace deduce {
namespace {

using Json = nlohmann::ordered_json;

TEST(ConversationTest, NullFieldsGo) {
  const Json messages = Json::parse(R"([{"role": "user", "content": null, "x": {"y": null}}])");
  EXPECT_EQ(PrepareConversation(messages)->dump(), R"([{"role":"user","x":{"y":null}}])");
}

TEST(ConversationTest, ReasoningHasBothNames) {
  const Json messages =
      Json::parse(R"([{"role": "a", "reasoning": "r"}, {"thinking": "t", "reasoning": "r"}])");
  EXPECT_EQ(PrepareConversation(messages)->dump(),
            R"([{"thinking":"r","role":"a","reasoning":"r","reasoning_content":"r"},)"
            R"({"thinking":"t","reasoning":"r","reasoning_content":"t"}])");
}

TEST(ConversationTest, WhatIsNoConversationIsRefused) {
  EXPECT_EQ(PrepareConversation(Json::array()).status().message(),
            "messages: found an empty conversation, expected at least one message");
  EXPECT_FALSE(PrepareConversation(Json::object()).ok());
  EXPECT_FALSE(PrepareConversation(Json::parse("[1]")).ok());
}

TEST(ConversationTest, TheMarkTellsWhetherTheTemplateTrims) {
  Json messages = Json::parse(R"([{"content": "a b "}])");
  const std::string text = *MarkFinalMessage(messages);
  const std::string marked = messages[0]["content"];
  EXPECT_EQ(text, "a b ");
  EXPECT_EQ(*CutAtMark("<" + marked + ">", text), "<a b ");
  EXPECT_EQ(*CutAtMark("<" + marked.substr(0, marked.size() - 1) + ">", text), "<a b");
  EXPECT_FALSE(CutAtMark("<>", text).ok());
}

TEST(ConversationTest, OfPartsTheLastTextIsMarked) {
  Json messages = Json::parse(R"([{"content": [{"text": "a"}, {"text": "b"}, {"image": 1}]}])");
  EXPECT_EQ(*MarkFinalMessage(messages), "b");
  EXPECT_EQ(messages[0]["content"][0]["text"], "a");
  Json none = Json::parse(R"([{"role": "user"}])");
  EXPECT_FALSE(MarkFinalMessage(none).ok());
}

}  // namespace
}  // namespace deduce
