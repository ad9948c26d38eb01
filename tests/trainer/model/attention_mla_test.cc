#include "trainer/model/attention_mla.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/trainer/model/tiny_models.h"

namespace deduce {
namespace {

TEST(AttentionMlaTest, SoftmaxScaleIsThatOfDeepSeekV3) {
  ModelConfig config = ParseModel(R"pb(
    attention: MLA qk_nope_head_dim: 128 qk_rope_head_dim: 64
  )pb");
  EXPECT_DOUBLE_EQ(MlaAttention::SoftmaxScale(config), 1 / std::sqrt(192.0));
  // DeepSeek-V3's settings: factor 40, mscale_all_dim 1, so 192^-0.5 * (0.1 ln 40 + 1)^2.
  config.mutable_rope()->mutable_yarn();
  EXPECT_NEAR(MlaAttention::SoftmaxScale(config), 0.0721688 * 1.3688879 * 1.3688879, 1e-7);
}

TEST(AttentionMlaTest, CacheHoldsExpandedKeysAndValues) {
  const auto group = MakeOneMemberCommunicator();
  const KvCache cache = Transformer::Create(TinyRoutedModel(), 1, *group)->MakeCache(3, 8);
  ASSERT_EQ(cache.k_spgk.size(), 3u);
  EXPECT_EQ(cache.k_spgk[0].sizes(), at::IntArrayRef({3, 8, 2, 10}));
  EXPECT_EQ(cache.v_spgv[0].sizes(), at::IntArrayRef({3, 8, 2, 7}));
}

}  // namespace
}  // namespace deduce
