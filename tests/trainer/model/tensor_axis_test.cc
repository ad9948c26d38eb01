#include "trainer/model/tensor_axis.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "parallel/rank_groups.h"
#include "tests/testing/rank_group.h"
#include "tests/testing/same_bits.h"
#include "tests/trainer/model/tiny_models.h"
#include "trainer/step/micro_batch_part.h"

namespace deduce {
namespace {

RankGroups TensorRanks(Communicator& world) {
  return MakeRankGroups(world, Layout{.tensor_parallel = world.size(),
                                      .num_ranks = world.size(),
                                      .rank = world.rank(),
                                      .tensor_rank = world.rank()});
}

at::Tensor PieceOf(const at::Tensor& whole, const Parameter& parameter) {
  if (parameter.split == SplitBy::kNone) return whole;
  const int64_t dimension = parameter.split == SplitBy::kColumns ? 1 : 0;
  const int64_t each = whole.size(dimension) / parameter.num_pieces;
  return whole.narrow(dimension, parameter.piece * each, each);
}

// A whole model, and this rank's pieces of it.
struct Pair {
  Pair(const ModelConfig& config, Communicator& world, at::ScalarType type)
      : self(MakeOneMemberCommunicator()),
        ranks(TensorRanks(world)),
        whole(Transformer::Create(config, 7, *self, std::nullopt, type)),
        split(Transformer::Create(config, 7, ModelGroups(ranks), std::nullopt, type)) {
    MoveOffDefaults(*whole);
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < whole->parameters().size(); ++i) {
      Parameter& piece = split->parameters()[i];
      piece.value.copy_(PieceOf(whole->parameters()[i].value, piece));
    }
    for (size_t i = 0; i < whole->buffers().size(); ++i)
      split->buffers()[i].value.copy_(whole->buffers()[i].value);
  }

  std::unique_ptr<Communicator> self;
  RankGroups ranks;
  std::unique_ptr<Transformer> whole, split;
};

// Grouped-query attention with everything that other families have, for two tensor ranks.
ModelConfig EvenVariedModel() {
  ModelConfig config = TinyVariedModel();
  config.set_num_attention_heads(4);
  config.set_num_key_value_heads(2);
  return config;
}

ModelConfig DirectQueriesModel() {
  ModelConfig config = TinyRoutedModel();
  config.clear_q_lora_rank();
  return config;
}

// Of the tokens `tokens_t` of a micro-batch of `num_tokens`: a factor of its own for every output.
at::Tensor LossOf(const ForwardResult& result, int64_t num_tokens, const at::Tensor& tokens_t) {
  const auto weighted = [&](const at::Tensor& hidden_td, uint64_t seed) {
    const at::Tensor factor_xd = NormalTensor({num_tokens, hidden_td.size(1)}, seed);
    return (hidden_td * at::index_select(factor_xd, 0, tokens_t).to(hidden_td.scalar_type())).sum();
  };
  at::Tensor loss = weighted(result.hidden_xd, 11);
  if (result.mtp_hidden_xd.defined()) loss = loss + weighted(result.mtp_hidden_xd, 12);
  for (const at::Tensor& balance : result.balance_losses) loss = loss + balance * 0.7;
  return loss;
}

// In fp64, where routing alone rounds to fp32: no wrong sum could hide in the bound.
void ExpectTheWhole(const ModelConfig& config, const std::vector<int64_t>& lengths,
                    bool recompute) {
  RunRanks(2, [&](Communicator& world) {
    Pair models(config, world, at::kDouble);
    const PackedBatch batch = Pack(RandomSequences(lengths, 37, 1));
    const at::Tensor all_t = at::arange(batch.num_tokens(), at::kLong);
    const ForwardResult whole = models.whole->Forward(batch, /*with_mtp=*/true);
    LossOf(whole, batch.num_tokens(), all_t).backward();

    const MicroBatchPart part = SplitForRank(batch, models.ranks.layout, /*with_mtp=*/true);
    const ForwardResult split =
        models.split->Forward(part.batch, /*with_mtp=*/true, {}, recompute, part.share.get());
    const at::Tensor tokens_t = at::tensor(part.share->tokens, at::kLong);
    LossOf(split, batch.num_tokens(), tokens_t).backward();
    const auto expect_near = [](const at::Tensor& found, const at::Tensor& expected,
                                const std::string& what) {
      ASSERT_EQ(found.sizes(), expected.sizes()) << what;
      if (found.numel() == 0) return;
      EXPECT_LE((found - expected).abs().max().item<double>(), 1e-10) << what;
    };
    expect_near(split.hidden_xd, at::index_select(whole.hidden_xd, 0, tokens_t), "hidden");
    for (size_t i = 0; i < models.split->parameters().size(); ++i) {
      const Parameter& piece = models.split->parameters()[i];
      const Parameter& of = models.whole->parameters()[i];
      const auto gradient = [](const Parameter& parameter) {
        const at::Tensor sum = parameter.Gradient();
        return sum.defined() ? sum : at::zeros_like(parameter.value);
      };
      // What is not split is used by each rank for its own tokens, or heads.
      const at::Tensor found = piece.placement == Placement::kPiece
                                   ? gradient(piece)
                                   : AllReduceSum(world, gradient(piece));
      expect_near(found, PieceOf(gradient(of), piece), piece.names[0]);
    }
  });
}

TEST(TensorAxisTest, TrainingHasTheResultsAndGradientsOfWholeMatrices) {
  for (const ModelConfig& config :
       {TinyDenseModel(), EvenVariedModel(), TinyRoutedModel(), DirectQueriesModel()}) {
    ExpectTheWhole(config, {7, 1, 12}, /*recompute=*/false);
  }
}

TEST(TensorAxisTest, AttentionMayBeComputedAgain) {
  ExpectTheWhole(EvenVariedModel(), {7, 1, 12}, /*recompute=*/true);
  ExpectTheWhole(TinyRoutedModel(), {7, 1, 12}, /*recompute=*/true);
}

TEST(TensorAxisTest, ARankMayHaveNoTokens) {
  ExpectTheWhole(TinyDenseModel(), {1}, /*recompute=*/false);
  ExpectTheWhole(TinyRoutedModel(), {1}, /*recompute=*/false);
}

TEST(TensorAxisTest, CachedTokensHaveTheBitsOfTrainingOnEveryRank) {
  for (const ModelConfig& config : {EvenVariedModel(), TinyRoutedModel()}) {
    RunRanks(2, [&](Communicator& world) {
      Pair models(config, world, at::kFloat);
      const at::NoGradGuard no_grad;
      const PackedBatch batch = Pack(RandomSequences({9, 6}, 37, 1));
      const std::vector<int64_t> slots = {0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1};
      const std::vector<int64_t> positions = {0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4, 5};
      KvCache cache = models.split->MakeCache(2, 16);
      EXPECT_EQ(cache.k_spgk[0].size(2), models.whole->MakeCache(2, 16).k_spgk[0].size(2) / 2);
      const at::Tensor cached_td =
          models.split->ForwardCached(batch.tokens_x, slots, positions, cache);
      const at::Tensor of_ranks = world.AllGather(cached_td);
      EXPECT_TRUE(SameBits(of_ranks[0].contiguous(), of_ranks[1].contiguous()));
      EXPECT_TRUE(SameBits(models.split->Forward(batch, /*with_mtp=*/false).hidden_xd, cached_td));
      const MicroBatchPart part = SplitForRank(batch, models.ranks.layout, /*with_mtp=*/false);
      const at::Tensor trained_td =
          models.split->Forward(part.batch, /*with_mtp=*/false, {}, false, part.share.get())
              .hidden_xd;
      EXPECT_TRUE(SameBits(
          trained_td, at::index_select(cached_td, 0, at::tensor(part.share->tokens, at::kLong))));
      // Normed rows of three layers: sums of fp32 in another order.
      const at::Tensor whole_td = models.whole->Forward(batch, /*with_mtp=*/false).hidden_xd;
      EXPECT_LE((cached_td - whole_td).abs().max().item<double>(), 1e-4);
    });
  }
}

TEST(TensorAxisTest, GradientsOfTokensThatAllRanksHaveThrow) {
  RunRanks(2, [](Communicator& world) {
    Pair models(TinyDenseModel(), world, at::kFloat);
    const PackedBatch batch = Pack(RandomSequences({5}, 37, 1));
    EXPECT_THROW(models.split->Forward(batch, /*with_mtp=*/false), c10::Error);
  });
}

}  // namespace
}  // namespace deduce
