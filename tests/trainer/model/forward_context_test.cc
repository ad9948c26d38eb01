#include "trainer/model/forward_context.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace deduce
