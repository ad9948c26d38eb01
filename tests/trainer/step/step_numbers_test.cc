#include "trainer/step/step_numbers.h"

#include <ATen/ops/scalar_tensor.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/testing/rank_group.h"

namespace deduce {
namespace {

at::Tensor Number(double value) { return at::scalar_tensor(value, at::kDouble); }

using Sums = std::vector<std::pair<std::string, double>>;

TEST(StepNumbersTest, SumsAreInTheOrderOfIndicesWhoeverHasThem) {
  // In another order the small number would be lost.
  const std::vector<double> values = {1e16, -1e16, 1};
  for (const int num_ranks : {1, 2, 3}) {
    RunRanks(num_ranks, [&](Communicator& world) {
      StepNumbers numbers;
      for (int64_t i = 2; i >= 0; --i) {
        if (i % world.size() == world.rank()) numbers.Add("a", i, Number(values[i]));
      }
      EXPECT_EQ(numbers.Sums(world), (Sums{{"a", 1}}));
    });
  }
}

TEST(StepNumbersTest, NamesComeInTheOrderOfRanks) {
  RunRanks(2, [](Communicator& world) {
    StepNumbers numbers;
    if (world.rank() == 0) numbers.Add("z", 0, Number(2));
    numbers.Add("y", world.rank(), Number(3));
    EXPECT_EQ(numbers.Sums(world), (Sums{{"z", 2}, {"y", 6}}));
  });
}

TEST(StepNumbersTest, NumbersOfAnyTypeAreDividedOnceAllAreAdded) {
  RunRanks(2, [](Communicator& world) {
    StepNumbers numbers;
    numbers.Add("whole", world.rank(), at::scalar_tensor(world.rank() + 1, at::kLong));
    numbers.Add("mean", world.rank(), at::scalar_tensor(0.5, at::kFloat).requires_grad_(true), 4);
    EXPECT_EQ(numbers.Sums(world), (Sums{{"whole", 3}, {"mean", 0.25}}));
  });
}

TEST(StepNumbersTest, ANumberOfTwoRanksIsAMistake) {
  RunRanks(1, [](Communicator& world) {
    StepNumbers numbers;
    numbers.Add("a", 1, Number(2));
    numbers.Add("a", 1, Number(2));
    EXPECT_THROW(numbers.Sums(world), c10::Error);
  });
}

}  // namespace
}  // namespace deduce
