#include "trainer/model/forward_context.h"

#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "tests/testing/rank_group.h"
#include "tests/trainer/model/tiny_models.h"

namespace deduce {
namespace {

TEST(ForwardContextTest, CachedAttentionWritesItsKeysAndHasTheBitsOfPacked) {
  const at::Tensor q_thk = NormalTensor({4, 2, 6}, 1);
  const at::Tensor k_tgk = NormalTensor({4, 1, 6}, 2);
  const at::Tensor v_tgv = NormalTensor({4, 1, 3}, 3);
  const std::vector<int64_t> starts = {0, 4};
  ForwardContext packed;
  packed.sequence_starts = &starts;
  const at::Tensor expected = Attend(packed, 0, q_thk, k_tgk, v_tgv, 0.5);

  KvCache cache;
  cache.k_spgk = {at::Tensor(), NormalTensor({2, 5, 1, 6}, 4)};
  cache.v_spgv = {at::Tensor(), NormalTensor({2, 5, 1, 3}, 5)};
  const std::vector<int64_t> slots = {1, 1, 1, 1};
  const std::vector<int64_t> positions = {0, 1, 2, 3};
  ForwardContext cached;
  cached.cache = &cache;
  cached.slots = &slots;
  cached.positions = &positions;
  EXPECT_TRUE(at::equal(Attend(cached, 1, q_thk, k_tgk, v_tgv, 0.5), expected));
  EXPECT_TRUE(at::equal(cache.k_spgk[1][1].narrow(0, 0, 4), k_tgk));
  EXPECT_TRUE(at::equal(cache.v_spgv[1][1].narrow(0, 0, 4), v_tgv));
}

void ExpectRowsOfOneRank(bool gathers_keys, double bound) {
  const std::vector<int64_t> starts = {0, 9, 23};
  const at::Tensor q_thk = NormalTensor({23, 2, 6}, 1);
  const at::Tensor k_tgk = NormalTensor({23, 1, 6}, 2);
  const at::Tensor v_tgv = NormalTensor({23, 1, 3}, 3);
  ForwardContext packed;
  packed.sequence_starts = &starts;
  const at::Tensor all = Attend(packed, 0, q_thk, k_tgk, v_tgv, 0.5);
  for (const int ranks : {2, 3}) {
    RunRanks(ranks, [&](Communicator& world) {
      const TokenShare share = SplitTokens(
          starts,
          {.context_parallel = ranks, .gathers_keys = gathers_keys, .context_rank = world.rank()});
      ModelGroups groups(world);
      groups.context = &world;
      ForwardContext context;
      context.share = &share;
      context.groups = &groups;
      const at::Tensor token_t = at::tensor(share.context_tokens, at::kLong);
      const auto here = [&](const at::Tensor& x) { return at::index_select(x, 0, token_t); };
      const at::Tensor out = Attend(context, 0, here(q_thk), here(k_tgk), here(v_tgv), 0.5);
      EXPECT_LE((out - here(all)).abs().max().item<double>(), bound);
    });
  }
}

TEST(ForwardContextTest, ARingHasTheRowsOfOneRankWithinRounding) {
  ExpectRowsOfOneRank(/*gathers_keys=*/false, 1e-6);
}

TEST(ForwardContextTest, GatheredKeysGiveTheBitsOfOneRank) {
  ExpectRowsOfOneRank(/*gathers_keys=*/true, 0);
}

}  // namespace
}  // namespace deduce
