#include "data/text/tokenizer/splitting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deduce {
namespace {

using ::testing::ElementsAre;

std::vector<std::string_view> Pieces(const char* behavior) {
  std::vector<std::string_view> pieces;  // of "a--b-" cut at each dash
  AppendPieces("a--b-", {{0, 1, false}, {1, 2, true}, {2, 3, true}, {3, 4, false}, {4, 5, true}},
               *SplitBehaviorNamed(behavior), pieces);
  return pieces;
}

TEST(SplittingTest, EveryBehavior) {
  EXPECT_THAT(Pieces("Removed"), ElementsAre("a", "b"));
  EXPECT_THAT(Pieces("Isolated"), ElementsAre("a", "-", "-", "b", "-"));
  EXPECT_THAT(Pieces("MergedWithPrevious"), ElementsAre("a-", "-", "b-"));
  EXPECT_THAT(Pieces("MergedWithNext"), ElementsAre("a", "-", "-b", "-"));
  EXPECT_THAT(Pieces("Contiguous"), ElementsAre("a", "--", "b", "-"));
}

TEST(SplittingTest, OtherNamesAreUnknown) {
  EXPECT_EQ(SplitBehaviorNamed("isolated"), std::nullopt);
}

TEST(SplittingTest, EmptyPiecesAreLeftOut) {
  std::vector<std::string_view> pieces;
  AppendPieces("a", {{0, 0, true}, {0, 1, false}}, SplitBehavior::kIsolated, pieces);
  EXPECT_THAT(pieces, ElementsAre("a"));
}

}  // namespace
}  // namespace deduce
