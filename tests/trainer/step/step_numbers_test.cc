#include "trainer/step/step_numbers.h"

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/testing/rank_group.h"

namespace deduce {
namespace {

using Sums = std::vector<std::pair<std::string, double>>;

TEST(StepNumbersTest, SumsAreInTheOrderOfIndicesWhoeverHasThem) {
  // In another order the small number would be lost.
  const std::vector<double> values = {1e16, -1e16, 1};
  for (const int num_ranks : {1, 2, 3}) {
    RunRanks(num_ranks, [&](Communicator& world) {
      StepNumbers numbers;
      for (int64_t i = 2; i >= 0; --i) {
        if (i % world.size() == world.rank()) numbers.Add("a", i, values[i]);
      }
      EXPECT_EQ(numbers.Sums(world), (Sums{{"a", 1}}));
    });
  }
}

TEST(StepNumbersTest, NamesComeInTheOrderOfRanks) {
  RunRanks(2, [](Communicator& world) {
    StepNumbers numbers;
    if (world.rank() == 0) numbers.Add("z", 0, 2);
    numbers.Add("y", world.rank(), 3);
    EXPECT_EQ(numbers.Sums(world), (Sums{{"z", 2}, {"y", 6}}));
  });
}

TEST(StepNumbersTest, ANumberOfTwoRanksIsAMistake) {
  RunRanks(1, [](Communicator& world) {
    StepNumbers numbers;
    numbers.Add("a", 1, 2);
    numbers.Add("a", 1, 2);
    EXPECT_THROW(numbers.Sums(world), c10::Error);
  });
}

}  // namespace
}  // namespace deduce
