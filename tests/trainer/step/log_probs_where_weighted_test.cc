#include "trainer/step/log_probs_where_weighted.h"

#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include "tests/trainer/long_prompt.h"
#include "tests/trainer/model/tiny_models.h"

namespace deduce {
namespace {

TEST(WeightedLogProbsTest, TargetsWithAWeightHaveTheBitsOfAllAndOthersZero) {
  const auto group = MakeOneMemberCommunicator();
  const auto model = MakeModel(TinyDenseModel(), *group);
  const PackedBatch batch = LongPrompt(0);
  const at::Tensor hidden_xd = model->Forward(batch, false).hidden_xd;
  const TokenLogProbs all = model->LogProbs(hidden_xd, batch.targets_x);
  const TokenLogProbs some = LogProbsWhereWeighted(*model, hidden_xd, batch);
  EXPECT_TRUE(at::equal(some.log_prob_t, all.log_prob_t * batch[Column::kWeight]));
  EXPECT_TRUE(at::equal(some.entropy_t, all.entropy_t * batch[Column::kWeight]));
}

TEST(WeightedLogProbsTest, WhereMostCountAllAreComputed) {
  const auto group = MakeOneMemberCommunicator();
  const auto model = MakeModel(TinyDenseModel(), *group);
  const PackedBatch batch = LongPrompt(1);
  const at::Tensor hidden_xd = model->Forward(batch, false).hidden_xd;
  const TokenLogProbs found = LogProbsWhereWeighted(*model, hidden_xd, batch);
  EXPECT_TRUE(at::equal(found.log_prob_t, model->LogProbs(hidden_xd, batch.targets_x).log_prob_t));
}

}  // namespace
}  // namespace deduce
