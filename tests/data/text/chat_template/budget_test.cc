#include "data/text/chat_template/budget.h"

#include <gtest/gtest.h>

namespace deduce::jinja {
namespace {

Value Text(size_t size) { return Value::String(std::string(size - 1, 'x')); }

TEST(BudgetTest, StepsAndLevelsEnd) {
  Budget budget;
  EXPECT_TRUE(budget.Take(Budget::kMaxSteps - 1).ok());
  EXPECT_TRUE(budget.Enter().ok());
  EXPECT_EQ(budget.TakeBytes(1).message(), "found a longer run, expected at most 20000000 steps");
  Budget deep;
  for (int i = 0; i < Budget::kMaxDepth; ++i) EXPECT_TRUE(deep.Enter().ok());
  EXPECT_FALSE(deep.Enter().ok());
}

TEST(BudgetTest, TextsAreSearchedInTimesOfBothLengths) {
  EXPECT_EQ(WorkOfOperator("in", Text(10), Text(1000)), 10000);
  EXPECT_EQ(WorkOfOperator("+", Text(10), Text(1000)), 1010);
  EXPECT_EQ(WorkOfFilter("replace", Text(1000), {{Text(10), Text(5)}, {}}), 16000);
  EXPECT_EQ(WorkOfCall({"find", Text(1000), true}, {{Text(9)}, {}}), 10000);
}

TEST(BudgetTest, UniqueComparesEachItemWithTheOthers) {
  const Value list = Value::List(std::vector<Value>(100, Value::Int(1)));
  const auto weight = static_cast<double>(list.weight());
  EXPECT_EQ(WorkOfFilter("unique", list, {}), 101 * weight);
  EXPECT_EQ(WorkOfFilter("length", list, {}), weight);
}

// The commonest operations of templates cost next to nothing, however long the conversation is.
TEST(BudgetTest, LookingAtAValueIsCheap) {
  const Value list = Value::List(std::vector<Value>(1000, Text(1000)));
  EXPECT_EQ(WorkOfItem(list), 1);
  EXPECT_EQ(WorkOfTest(list, {}), 1);
  EXPECT_EQ(WorkOfFilter("default", list, {{Text(10)}, {}}), 1);
}

}  // namespace
}  // namespace deduce::jinja
