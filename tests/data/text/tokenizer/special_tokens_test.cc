#include "data/text/tokenizer/special_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deduce {
namespace {

TEST(SpecialTokensTest, ReadsTextsAndObjects) {
  const auto texts = ReadSpecialTokenTexts(
      R"({"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": false}, "pad_token": null,
          "add_bos_token": true, "model_max_length": 1000000000000000019884624838656})",
      "c.json");
  ASSERT_TRUE(texts.ok()) << texts.status();
  EXPECT_EQ(texts->bos, "<s>");
  EXPECT_EQ(texts->eos, "</s>");
  EXPECT_EQ(texts->pad, std::nullopt);
  EXPECT_EQ(texts->adds_bos, true);
}

TEST(SpecialTokensTest, OtherValuesAreErrors) {
  EXPECT_EQ(ReadSpecialTokenTexts(R"({"eos_token": 3})", "c").status().message(),
            "c: eos_token: found 3, expected a token's text, or an object with its content");
  EXPECT_EQ(ReadSpecialTokenTexts(R"({"add_bos_token": 1})", "c").status().message(),
            "c: add_bos_token: found 1, expected true or false");
  EXPECT_FALSE(ReadSpecialTokenTexts("[]", "c").ok());
}

}  // namespace
}  // namespace deduce
