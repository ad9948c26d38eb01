#include "data/text/chat_template/chat_template_folder.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace deduce {
namespace {

class ChatTemplateFolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        std::filesystem::path(::testing::TempDir()) / ("chat_template_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
  }

  std::string Load(const std::string& name = "default") {
    const auto chat = LoadChatTemplate(folder_.string(), name);
    return chat.ok() ? chat->text() : std::string(chat.status().message());
  }

  std::filesystem::path folder_;
};

TEST_F(ChatTemplateFolderTest, AFileOfItsOwnComesFirst) {
  EXPECT_NE(Load().find("found no chat template"), std::string::npos);
  Write("chat_template.json", R"({"chat_template": "json"})");
  EXPECT_EQ(Load(), "json");
  Write("tokenizer_config.json", R"({"chat_template": "config"})");
  EXPECT_EQ(Load(), "config");
  Write("chat_template.jinja", "jinja");
  EXPECT_EQ(Load(), "jinja");
}

TEST_F(ChatTemplateFolderTest, OneOfSeveralByName) {
  Write(
      "tokenizer_config.json",
      R"({"chat_template": [{"name": "default", "template": "d"}, {"name": "rag", "template": "r"}]})");
  EXPECT_EQ(Load(), "d");
  EXPECT_EQ(Load("rag"), "r");
  EXPECT_NE(Load("x").find("found no chat template named x"), std::string::npos);
}

TEST_F(ChatTemplateFolderTest, TokensAreTextsOrObjects) {
  Write(
      "tokenizer_config.json",
      R"({"chat_template": "", "bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>", "pad_token": null,
            "add_bos_token": true, "extra_special_tokens": {"image_token": "<i>"}})");
  const auto chat = LoadChatTemplate(folder_.string());
  ASSERT_TRUE(chat.ok()) << chat.status();
  const std::map<std::string, std::string> expected = {
      {"bos_token", "<s>"}, {"eos_token", "</s>"}, {"image_token", "<i>"}};
  EXPECT_EQ(chat->special_tokens(), expected);
}

TEST_F(ChatTemplateFolderTest, WrongFilesAreNamed) {
  Write("tokenizer_config.json", "{");
  EXPECT_NE(Load().find("tokenizer_config.json: found text that is not JSON at byte "),
            std::string::npos);
  Write("tokenizer_config.json", R"({"bos_token": 1})");
  EXPECT_NE(Load().find("found number in field \"bos_token\", expected a string or an AddedToken"),
            std::string::npos);
  Write("tokenizer_config.json", R"({"chat_template": 1})");
  EXPECT_NE(Load().find("found number in field \"chat_template\""), std::string::npos);
}

}  // namespace
}  // namespace deduce
