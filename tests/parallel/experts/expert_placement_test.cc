#include "parallel/experts/expert_placement.h"

#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "parallel/experts/expert_balance.h"

namespace deduce {
namespace {

using ::testing::ElementsAre;
using SourceClass = ExpertPlacement::SourceClass;

// Four ranks of two slots. Expert 0 is on ranks 0, 1 and 3, expert 1 on ranks 2 and 3.
ExpertPlacement Example() { return ExpertPlacement({0, 2, 0, 3, 1, 2, 1, 0}, 4, 4); }

TEST(ExpertPlacementTest, AtHomeTheSlotIsTheExpert) {
  const ExpertPlacement home = ExpertPlacement::AtHome(6, 3);
  for (int expert = 0; expert < 6; ++expert) {
    EXPECT_EQ(home.HomeOf(expert), expert / 2);
    for (int source = 0; source < 3; ++source) EXPECT_EQ(home.SlotFor(expert, source), expert);
    EXPECT_THAT(home.SourceClasses(expert, 3), ElementsAre(SourceClass{expert, 0, 1}));
  }
}

TEST(ExpertPlacementTest, ASourceWithACopyUsesItAndOthersTakeTurns) {
  const ExpertPlacement placement = Example();
  const auto slots = [&](int expert) {
    std::vector<int> of;
    for (int source = 0; source < 4; ++source) of.push_back(placement.SlotFor(expert, source));
    return of;
  };
  EXPECT_THAT(slots(0), ElementsAre(0, 2, 0, 7));
  EXPECT_THAT(slots(1), ElementsAre(4, 6, 4, 6));
  EXPECT_THAT(slots(2), ElementsAre(1, 1, 5, 5));
  EXPECT_THAT(slots(3), ElementsAre(3, 3, 3, 3));
}

TEST(ExpertPlacementTest, OfTwoCopiesOnOneRankTheSecondIsIdle) {
  const ExpertPlacement placement({0, 0, 1, 1}, 2, 2);
  for (int source = 0; source < 2; ++source) {
    EXPECT_EQ(placement.SlotFor(0, source), 0);
    EXPECT_EQ(placement.SlotFor(1, source), 2);
  }
}

TEST(ExpertPlacementTest, RanksHaveTheLoadOfTheSourcesTheyServe) {
  EXPECT_THAT(Example().RankLoads({80, 40, 20, 4}), ElementsAre(40 + 10, 20 + 4, 20 + 10, 20 + 20));
  EXPECT_DOUBLE_EQ(Example().MaxOverMeanRankLoad({80, 40, 20, 4}), 50 / 36.0);
  EXPECT_EQ(Example().MaxOverMeanRankLoad({0, 0, 0, 0}), 0);
}

// Source 2 goes with source 0, so they are one sum; 1 and 3 are apart.
TEST(ExpertPlacementTest, ClassesAreWholeSubtreesInDepthFirstOrder) {
  EXPECT_THAT(Example().SourceClasses(0, 4),
              ElementsAre(SourceClass{0, 0, 2}, SourceClass{2, 1, 4}, SourceClass{7, 3, 4}));
  EXPECT_THAT(Example().SourceClasses(1, 4),
              ElementsAre(SourceClass{4, 0, 2}, SourceClass{6, 1, 2}));
  EXPECT_THAT(Example().SourceClasses(0, 1), ElementsAre(SourceClass{0, 0, 1}));
  EXPECT_TRUE(Example().SourceClasses(0, 0).empty());
}

TEST(ExpertPlacementTest, ClassesHaveEverySourceOnceUnderItsOwnSlot) {
  const std::vector<double> load = {90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86};
  const ExpertPlacement placement(PlaceExperts(load, 24, {.num_ranks = 4}), 12, 4);
  for (int expert = 0; expert < 12; ++expert) {
    for (int num_sources = 1; num_sources <= 4; ++num_sources) {
      std::multiset<int> covered;
      for (const SourceClass& sources : placement.SourceClasses(expert, num_sources)) {
        for (int source = sources.first; source < num_sources; source += sources.stride) {
          covered.insert(source);
          EXPECT_EQ(placement.SlotFor(expert, source), sources.slot);
          EXPECT_EQ(placement.ExpertAt(sources.slot), expert);
        }
      }
      EXPECT_EQ(covered.size(), static_cast<size_t>(num_sources));
      EXPECT_EQ(std::set<int>(covered.begin(), covered.end()).size(), covered.size());
    }
  }
}

TEST(ExpertPlacementTest, WhatIsNoPlacementIsAProgrammingError) {
  EXPECT_THROW(ExpertPlacement({0, 0}, 2, 2), c10::Error);
  EXPECT_THROW(ExpertPlacement({0, 1, 2}, 2, 1), c10::Error);
  EXPECT_THROW(ExpertPlacement({0, 1, 1}, 2, 2), c10::Error);
  EXPECT_THROW(ExpertPlacement::AtHome(3, 2), c10::Error);
}

}  // namespace
}  // namespace deduce
