#include "data/text/chat_template/token_stream.h"

#include <gtest/gtest.h>

namespace deduce::jinja {
namespace {

TokenStream MakeStream() {
  return TokenStream(
      {{TokenKind::kName, "a", 1}, {TokenKind::kOperator, "(", 1}, {TokenKind::kEnd, "", 2}});
}

TEST(TokenStreamTest, StopsAtTheEnd) {
  TokenStream stream = MakeStream();
  EXPECT_EQ(stream.Ahead().text, "(");
  for (int i = 0; i < 5; ++i) stream.Take();
  EXPECT_EQ(stream.Now().kind, TokenKind::kEnd);
  EXPECT_EQ(stream.Ahead().kind, TokenKind::kEnd);
  EXPECT_EQ(stream.line(), 2);
}

TEST(TokenStreamTest, TakesOnlyWhatIsAskedFor) {
  TokenStream stream = MakeStream();
  EXPECT_FALSE(stream.TakeOperator("a"));
  EXPECT_FALSE(stream.TakeName("b"));
  EXPECT_TRUE(stream.TakeName("a"));
  EXPECT_EQ(stream.ExpectName("b").message(), "found \"(\", expected b");
  EXPECT_TRUE(stream.ExpectOperator("(").ok());
  EXPECT_EQ(stream.Describe(), "the end of the template");
}

}  // namespace
}  // namespace deduce::jinja
