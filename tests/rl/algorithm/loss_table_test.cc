#include "rl/algorithm/loss_table.h"

#include <ATen/ops/tensor.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <string>

namespace deduce {
namespace {

TEST(LossTableTest, GrpoIsTheMeanOverCompletionsOfTheMeanOverTokens) {
  const CompletionShare share = FindLoss(GrpoConfig::grpo).share(5, 100);
  EXPECT_EQ(share.token_weight, 0.2);
  EXPECT_EQ(share.count, 1);
}

TEST(LossTableTest, DapoAndBnpoAreTheMeanOverAllTokens) {
  for (const auto type : {GrpoConfig::dapo, GrpoConfig::bnpo}) {
    const CompletionShare share = FindLoss(type).share(5, 100);
    EXPECT_EQ(share.token_weight, 1);
    EXPECT_EQ(share.count, 5);
  }
}

TEST(LossTableTest, DrGrpoDividesByAConstantBudget) {
  const CompletionShare share = FindLoss(GrpoConfig::dr_grpo).share(5, 100);
  EXPECT_EQ(share.token_weight, 1);
  EXPECT_EQ(share.count, 100);
}

TEST(LossTableTest, TheClippedSurrogateIsThePessimisticOne) {
  const at::Tensor ratio_n = at::tensor({0.5F, 0.5F, 1.0F, 2.0F, 2.0F});
  const at::Tensor advantage_n = at::tensor({1.0F, -1.0F, 3.0F, 1.0F, -1.0F});
  const at::Tensor found_n =
      FindLoss(GrpoConfig::grpo).surrogate(ratio_n, advantage_n, {0.75, 1.25});
  EXPECT_TRUE(found_n.equal(at::tensor({0.5F, -0.75F, 3.0F, 1.25F, -2.0F})));
}

TEST(LossTableTest, EveryTypeOfTheSchemaHasARecord) {
  for (int type = GrpoConfig::LossType_MIN; type <= GrpoConfig::LossType_MAX; ++type) {
    EXPECT_EQ(FindLoss(static_cast<GrpoConfig::LossType>(type)).type, type);
  }
}

}  // namespace
}  // namespace deduce
