#include "data/text/tokenizer/token_trie.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deduce {
namespace {

TEST(TokenTrieTest, FindsTheLongest) {
  TokenTrie trie;
  EXPECT_TRUE(trie.empty());
  trie.Insert("<a>", 1);
  trie.Insert("<a>bc", 2);
  trie.Insert("<a>", 3);  // the first stays
  EXPECT_FALSE(trie.empty());
  EXPECT_EQ(trie.LongestAt("<a>bcd").value, 2);
  EXPECT_EQ(trie.LongestAt("<a>bcd").length, 5u);
  EXPECT_EQ(trie.LongestAt("<a>b").value, 1);
  EXPECT_EQ(trie.LongestAt("<a").length, 0u);
  EXPECT_EQ(trie.LongestAt("x<a>").length, 0u);
  EXPECT_EQ(trie.LongestAt("").length, 0u);
}

}  // namespace
}  // namespace deduce
