#include "data/text/tokenizer/vocabulary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deduce {
namespace {

std::string ErrorOf(const nlohmann::json& json) {
  return std::string(Vocabulary::FromJson(json, "f").status().message());
}

TEST(VocabularyTest, TextsAndIdsAreInverse) {
  const auto vocabulary = Vocabulary::FromJson({{"b", 0}, {"a", 1}}, "f");
  EXPECT_EQ(vocabulary->size(), 2);
  EXPECT_EQ(vocabulary->Find("a"), 1);
  EXPECT_EQ(vocabulary->Text(0), "b");
  EXPECT_EQ(vocabulary->Find("c"), std::nullopt);
}

TEST(VocabularyTest, EveryIdIsThereOnce) {
  EXPECT_EQ(ErrorOf({{"a", 0}, {"b", 2}}),
            "f: model.vocab[\"b\"]: found 2, expected an id from 0 to 1, as there are 2 tokens and "
            "every id has one");
  EXPECT_EQ(ErrorOf({{"a", 0}, {"b", 0}}),
            "f: model.vocab: found id 0 of both \"a\" and \"b\", expected every id once");
  EXPECT_EQ(ErrorOf(nlohmann::json::array({"a"})),
            "f: model.vocab: found [\"a\"], expected an object of tokens and ids");
}

}  // namespace
}  // namespace deduce
