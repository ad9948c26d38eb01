#include "data/text/tokenizer/end_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace deduce {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(EndTokensTest, TheFieldIsANumberAListOrNothing) {
  EXPECT_THAT(*ReadEosTokenIds(R"({"eos_token_id": 5})", "g"), ElementsAre(5));
  EXPECT_THAT(*ReadEosTokenIds(R"({"eos_token_id": [9, 5]})", "g"), ElementsAre(9, 5));
  EXPECT_THAT(*ReadEosTokenIds(R"({"eos_token_id": null})", "g"), IsEmpty());
  EXPECT_THAT(*ReadEosTokenIds(R"({"temperature": 0.6})", "g"), IsEmpty());
}

TEST(EndTokensTest, OtherValuesAreNamed) {
  EXPECT_EQ(ReadEosTokenIds(R"({"eos_token_id": [1, "</s>"]})", "g.json").status().message(),
            "g.json: eos_token_id: found [1,\"</s>\"], expected a token's id, or a list of them");
  for (const char* text : {"-1", "1.5", "4294967296", "{}", "[[1]]"}) {
    const std::string json = std::string("{\"eos_token_id\": ") + text + "}";
    EXPECT_FALSE(ReadEosTokenIds(json, "g").ok()) << text;
  }
}

TEST(EndTokensTest, BothFilesOfAFolderCount) {
  const std::string folder = ::testing::TempDir() + std::to_string(getpid()) + "_ends";
  std::filesystem::create_directories(folder);
  EXPECT_THAT(*LoadEosTokenIds(folder), IsEmpty());
  std::ofstream(folder + "/config.json") << R"({"eos_token_id": 2})";
  EXPECT_THAT(*LoadEosTokenIds(folder), ElementsAre(2));
  std::ofstream(folder + "/generation_config.json") << R"({"eos_token_id": [7, 2]})";
  EXPECT_THAT(*LoadEosTokenIds(folder), ElementsAre(7, 2));
  std::ofstream(folder + "/config.json") << "no JSON";
  EXPECT_FALSE(LoadEosTokenIds(folder).ok());
  std::filesystem::remove_all(folder);
}

TEST(EndTokensTest, AGenerationConfigKeepsItsOtherFields) {
  EXPECT_THAT(*ReadEosTokenIds(*WithEosTokenIds("", {4, 2}), "g"), ElementsAre(4, 2));
  EXPECT_EQ(*WithEosTokenIds(R"({"top_p": 0.5, "eos_token_id": 1})", {3}),
            "{\n  \"top_p\": 0.5,\n  \"eos_token_id\": [\n    3\n  ]\n}\n");
}

TEST(EndTokensTest, ATemplateTellsWhatItWritesBehindATurn) {
  const auto behind = [](const std::string& text) {
    return TextBehindTurn(*ChatTemplate::Parse(text, "t"));
  };
  EXPECT_EQ(behind("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
                   "{% endfor %}"),
            "<|im_end|>\n");
  EXPECT_EQ(behind("{% for m in messages %}{{ m.content }} </s>{% endfor %}"), "</s>");
  EXPECT_EQ(behind("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"), "");
  EXPECT_EQ(behind("{{ raise_exception('no') }}"), "");
  EXPECT_EQ(behind("{{ messages[0].content }}"), "");
}

}  // namespace
}  // namespace deduce
