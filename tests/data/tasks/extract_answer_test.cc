#include "data/tasks/extract_answer.h"

#include <gtest/gtest.h>

namespace deduce {
namespace {

TEST(ExtractAnswerTest, TheLastCompletePairCounts) {
  EXPECT_EQ(ExtractAnswer("<answer>1</answer><answer>122</answer>"), "122");
  EXPECT_EQ(ExtractAnswer("<answer>7<answer>122</answer> bye"), "122");
  EXPECT_EQ(ExtractAnswer("<answer></answer>"), "");
}

TEST(ExtractAnswerTest, WithoutAPairThereIsNone) {
  for (const char* completion :
       {"", "122", "<answer>122", "122</answer>", "</answer>122<answer>"}) {
    EXPECT_FALSE(ExtractAnswer(completion)) << completion;
  }
}

}  // namespace
}  // namespace deduce
