#include "trainer/model/transformer.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/trainer/model/naive_transformer.h"
#include "tests/trainer/model/tiny_models.h"

namespace deduce {
namespace {

// fp32 against double: a few hundred roundings of 6e-8 between weights and outputs, each relative
// to values no larger than the tensor's largest.
constexpr double kTolerance = 3e-5;

void ExpectNear(const at::Tensor& found, const at::Tensor& expected, const std::string& what) {
  ASSERT_EQ(found.sizes(), expected.sizes()) << what;
  const double scale = expected.abs().max().item<double>();
  ASSERT_GT(scale, 0) << what;
  const double error = (found.to(at::kDouble) - expected).abs().max().item<double>();
  EXPECT_LE(error, kTolerance * scale) << what;
}

at::Tensor Sum(const std::vector<at::Tensor>& scalars) {
  at::Tensor sum = scalars.front();
  for (size_t i = 1; i < scalars.size(); ++i) sum = sum + scalars[i];
  return sum;
}

void ExpectAgreesWithNaive(const ModelConfig& config) {
  const auto group = MakeOneMemberCommunicator();
  const auto model = MakeModel(config, *group);
  NaiveTransformer naive(*model);
  const PackedBatch batch = Pack(RandomSequences({9, 1, 14, 20}, config.vocab_size(), 1));

  const ForwardResult found = model->Forward(batch, true);
  const ForwardResult expected = naive.Forward(batch);
  ExpectNear(found.hidden_xd, expected.hidden_xd, "hidden");
  ASSERT_EQ(found.mtp_hidden_xd.defined(), config.num_nextn_predict_layers() > 0);
  if (found.mtp_hidden_xd.defined()) {
    ExpectNear(found.mtp_hidden_xd, expected.mtp_hidden_xd, "mtp_hidden");
  }
  ASSERT_EQ(found.balance_losses.empty(), !config.has_moe());
  if (config.has_moe())
    ExpectNear(Sum(found.balance_losses), Sum(expected.balance_losses), "balance_loss");

  // The head enters through the losses.
  const at::Tensor log_prob_x = model->LogProbs(found.hidden_xd, batch.targets_x).log_prob_t;
  const at::Tensor naive_head =
      naive.weight(config.tie_word_embeddings() ? "model.embed_tokens.weight" : "lm_head.weight");
  const at::Tensor naive_log_prob_x = expected.hidden_xd.matmul(naive_head.t())
                                          .log_softmax(-1)
                                          .gather(1, batch.targets_x.unsqueeze(1))
                                          .squeeze(1);
  (MixedLoss(found) + log_prob_x.square().mean()).backward();
  (MixedLoss(expected) + naive_log_prob_x.square().mean()).backward();
  for (const Parameter& parameter : model->parameters()) {
    for (size_t i = 0; i < parameter.names.size(); ++i) {
      const bool stack = parameter.placement == Placement::kExpertSharded;
      const at::Tensor grad = parameter.Gradient();
      ASSERT_TRUE(grad.defined()) << parameter.names[i];
      const at::Tensor naive_grad = naive.weight(parameter.names[i]).grad();
      ASSERT_TRUE(naive_grad.defined()) << parameter.names[i];
      ExpectNear(stack ? grad[static_cast<int64_t>(i)] : grad, naive_grad, parameter.names[i]);
    }
  }
}

int64_t NumWeights(Transformer& model) {
  int64_t count = 0;
  for (const Parameter& parameter : model.parameters()) count += parameter.value.numel();
  return count;
}

TEST(TransformerTest, DenseGqaAgreesWithNaiveDoubleForwardAndBackward) {
  ExpectAgreesWithNaive(TinyDenseModel());
}

TEST(TransformerTest, RoutedMlaWithPredictionModuleAgreesWithNaiveDoubleForwardAndBackward) {
  ExpectAgreesWithNaive(TinyRoutedModel());
}

TEST(TransformerTest, BiasesHeadNormsAndSoftmaxRoutingAgreeWithNaiveDouble) {
  ExpectAgreesWithNaive(TinyVariedModel());
}

TEST(TransformerTest, TiedEmbeddingAndDirectQueriesAgreeWithNaiveDouble) {
  ModelConfig config = TinyRoutedModel();
  config.set_tie_word_embeddings(true);
  config.set_q_lora_rank(0);
  config.mutable_rope()->clear_yarn();
  config.mutable_moe()->set_n_shared_experts(0);
  config.mutable_moe()->set_norm_topk_prob(false);
  ExpectAgreesWithNaive(config);
}

TEST(TransformerTest, DenseGqaHasTheWeightsOfItsShapes) {
  const auto group = MakeOneMemberCommunicator();
  const auto model = Transformer::Create(TinyDenseModel(), 1, *group);
  const int64_t attention = 24 * 8 * (4 + 2 + 2 + 4);
  const int64_t layer = attention + 3 * 24 * 40 + 2 * 24;
  EXPECT_EQ(NumWeights(*model), 2 * 37 * 24 + 2 * layer + 24);
}

TEST(TransformerTest, RoutedMlaHasTheWeightsOfItsShapes) {
  const auto group = MakeOneMemberCommunicator();
  const auto model = Transformer::Create(TinyRoutedModel(), 1, *group);
  const int64_t queries = 24 * 12 + 12 + 12 * 2 * (6 + 4);
  const int64_t keys_values = 24 * (10 + 4) + 10 + 10 * 2 * (6 + 7);
  const int64_t attention = queries + keys_values + 2 * 7 * 24 + 2 * 24;
  const int64_t routed = 8 * 24 + 8 * 3 * 24 * 16 + 3 * 24 * 32;
  const int64_t module = 3 * 24 + 24 * 48;
  EXPECT_EQ(NumWeights(*model),
            2 * 37 * 24 + 24 + 4 * attention + 3 * 24 * 40 + 3 * routed + module);
}

TEST(TransformerTest, PackingOrderAndNeighboursLeaveBitsAlone) {
  const auto group = MakeOneMemberCommunicator();
  for (const ModelConfig& config : {TinyDenseModel(), TinyRoutedModel(), TinyVariedModel()}) {
    const auto model = MakeModel(config, *group);
    const Sequences sequences = RandomSequences({5, 17, 1, 11}, config.vocab_size(), 2);
    const ForwardResult packed = model->Forward(Pack(sequences), true);
    const ForwardResult reversed =
        model->Forward(Pack(Sequences(sequences.rbegin(), sequences.rend())), true);
    int64_t from_start = 0, from_end = 34;
    for (const auto& sequence : sequences) {
      const int64_t length = static_cast<int64_t>(sequence.size());
      from_end -= length;
      const ForwardResult alone = model->Forward(Pack({sequence}), true);
      EXPECT_TRUE(at::equal(packed.hidden_xd.narrow(0, from_start, length), alone.hidden_xd));
      EXPECT_TRUE(at::equal(reversed.hidden_xd.narrow(0, from_end, length), alone.hidden_xd));
      if (alone.mtp_hidden_xd.defined()) {
        EXPECT_TRUE(
            at::equal(packed.mtp_hidden_xd.narrow(0, from_start, length), alone.mtp_hidden_xd));
      }
      from_start += length;
    }
  }
}

TEST(TransformerTest, ForwardReadsReboundStorage) {
  const auto group = MakeOneMemberCommunicator();
  const auto model = MakeModel(TinyRoutedModel(), *group);
  const PackedBatch batch = Pack(RandomSequences({12}, 37, 3));
  const at::Tensor before = model->Forward(batch, false).hidden_xd;
  at::Tensor flat = at::empty({NumWeights(*model)}, at::kFloat);
  int64_t offset = 0;
  for (Parameter& parameter : model->parameters()) {
    const int64_t size = parameter.value.numel();
    parameter.Rebind(flat.narrow(0, offset, size), static_cast<int>(parameter.leaves.size()));
    offset += size;
  }
  const ForwardResult moved = model->Forward(batch, true);
  EXPECT_TRUE(at::equal(moved.hidden_xd, before));
  MixedLoss(moved).backward();
  // The head enters through the losses, which this test leaves out.
  for (const Parameter& parameter : model->parameters()) {
    if (parameter.names[0] == "lm_head.weight") continue;
    EXPECT_TRUE(parameter.Gradient().defined()) << parameter.names[0];
  }
  flat.zero_();
  EXPECT_EQ(model->Forward(batch, false).hidden_xd.abs().max().item<float>(), 0);
}

TEST(TransformerTest, EmptyBatchHasAGraphAndZeroGradients) {
  const auto group = MakeOneMemberCommunicator();
  const auto model = MakeModel(TinyRoutedModel(), *group);
  const ForwardResult result = model->Forward(PackedBatch(), true);
  EXPECT_EQ(result.hidden_xd.size(0), 0);
  at::Tensor loss = result.hidden_xd.sum() + result.mtp_hidden_xd.sum();
  for (const at::Tensor& balance : result.balance_losses) {
    EXPECT_EQ(balance.item<float>(), 0);
    loss = loss + balance;
  }
  loss.backward();
  for (const Parameter& parameter : model->parameters()) {
    if (parameter.names[0] == "lm_head.weight") continue;
    const at::Tensor grad = parameter.Gradient();
    ASSERT_TRUE(grad.defined()) << parameter.names[0];
    EXPECT_TRUE(at::equal(grad, at::zeros_like(grad))) << parameter.names[0];
  }
}

TEST(TransformerTest, RoutingBiasMovesTowardsTheMeanLoad) {
  const auto group = MakeOneMemberCommunicator();
  const auto model = Transformer::Create(TinyRoutedModel(), 1, *group);
  ASSERT_EQ(model->buffers().size(), 3u);
  EXPECT_EQ(model->buffers()[2].name, "model.layers.3.mlp.gate.e_score_correction_bias");
  const std::vector<int64_t> loads = {0, 4, 8, 3, 5, 4, 4, 4, 1, 1, 1, 1,
                                      1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 80};
  model->UpdateRoutingBias(at::tensor(loads).view({3, 8}), 0.25);
  const float speed = 0.25f;
  EXPECT_TRUE(at::equal(model->buffers()[0].value,
                        at::tensor({speed, 0.f, -speed, speed, -speed, 0.f, 0.f, 0.f})));
  EXPECT_TRUE(at::equal(model->buffers()[1].value, at::tensor(std::vector<float>(8, 0.f))));
  EXPECT_TRUE(at::equal(model->buffers()[2].value,
                        at::tensor({speed, speed, speed, speed, speed, speed, speed, -speed})));
}

TEST(TransformerTest, GreedyRoutingHasLoadsAndNoBias) {
  const auto group = MakeOneMemberCommunicator();
  const auto model = MakeModel(TinyVariedModel(), *group);
  EXPECT_TRUE(model->buffers().empty());
  model->Forward(Pack(RandomSequences({6, 7}, 37, 4)), false);
  EXPECT_TRUE(at::equal(model->expert_load_le().sum(1), at::tensor(std::vector<int64_t>{39})));
  model->UpdateRoutingBias(model->expert_load_le(), 1);
}

TEST(TransformerTest, LoadCountsOnlyForwardsUnderGradients) {
  const auto group = MakeOneMemberCommunicator();
  const auto model = MakeModel(TinyRoutedModel(), *group);
  const PackedBatch batch = Pack(RandomSequences({6, 7}, 37, 4));
  model->Forward(batch, false);
  EXPECT_TRUE(
      at::equal(model->expert_load_le().sum(1), at::tensor(std::vector<int64_t>{39, 39, 0})));
  model->Forward(batch, true);
  {
    const at::NoGradGuard no_grad;
    EXPECT_TRUE(model->Forward(batch, true).balance_losses.empty());
  }
  EXPECT_TRUE(
      at::equal(model->expert_load_le().sum(1), at::tensor(std::vector<int64_t>{78, 78, 39})));
  model->ResetExpertLoad();
  EXPECT_EQ(model->expert_load_le().sum().item<int64_t>(), 0);
}

}  // namespace
}  // namespace deduce
