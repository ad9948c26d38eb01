#include "trainer/checkpoint/element_range.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace deduce {
namespace {

constexpr int64_t kRows = 5, kColumns = 7;

// Of each element of a matrix that a range has: where in the range it lies.
std::map<int64_t, int64_t> PlaceOf(const ElementRange& range) {
  const ColumnRange columns = range.columns.value_or(ColumnRange{0, kColumns});
  std::map<int64_t, int64_t> places;
  for (int64_t i = range.begin; i < range.end; ++i) {
    const int64_t row = i / columns.size(), column = columns.begin + i % columns.size();
    places[row * kColumns + column] = i - range.begin;
  }
  return places;
}

ElementRange RandomRange(std::mt19937_64& random) {
  ElementRange range;
  if (random() % 3 > 0) {
    const int64_t begin = static_cast<int64_t>(random() % kColumns);
    range.columns = {begin, begin + 1 + static_cast<int64_t>(random() % (kColumns - begin))};
  }
  const int64_t size = kRows * (range.columns ? range.columns->size() : kColumns);
  range.begin = static_cast<int64_t>(random() % (size + 1));
  range.end = range.begin + static_cast<int64_t>(random() % (size + 1 - range.begin));
  return range;
}

TEST(ElementRangeTest, SharedRunsAreTheElementsThatBothHave) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 2000; ++i) {
    const ElementRange a = RandomRange(random), b = RandomRange(random);
    SCOPED_TRACE(RangeText(a) + " and " + RangeText(b));
    const std::map<int64_t, int64_t> in_a = PlaceOf(a), in_b = PlaceOf(b);
    std::map<int64_t, int64_t> expected, found;  // place in a -> place in b
    for (const auto& [element, place] : in_a) {
      if (in_b.count(element) > 0) expected[place] = in_b.at(element);
    }
    for (const SharedRun& run : SharedRuns(a, b, kColumns)) {
      EXPECT_GT(run.count, 0);
      for (int64_t j = 0; j < run.count; ++j)
        EXPECT_TRUE(found.emplace(run.in_a + j, run.in_b + j).second);
    }
    EXPECT_EQ(found, expected);
  }
}

TEST(ElementRangeTest, RangesWithoutColumnsAreOneRunWhateverTheWidth) {
  const std::vector<SharedRun> runs = SharedRuns({3, 20, {}}, {10, 40, {}}, 0);
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0].in_a, 7);
  EXPECT_EQ(runs[0].in_b, 0);
  EXPECT_EQ(runs[0].count, 10);
}

TEST(ElementRangeTest, IsWrittenWithItsColumns) {
  EXPECT_EQ(RangeText({0, 6, {}}), "[0, 6)");
  EXPECT_EQ(RangeText({2, 6, ColumnRange{4, 8}}), "[2, 6) of columns [4, 8)");
}

}  // namespace
}  // namespace deduce
