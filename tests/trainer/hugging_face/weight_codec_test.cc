#include "trainer/hugging_face/weight_codec.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include "kernels/random.h"
#include "trainer/checkpoint/content_hash.h"

namespace deduce {
namespace {

std::string_view BytesOf(const at::Tensor& tensor) {
  return {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()};
}

at::Tensor Normal(int64_t size) {
  at::Tensor out = at::empty({size}, at::kFloat);
  FillNormal(RandomStream(1, "weights"), 0, 3, out);
  return out;
}

TEST(WeightCodecTest, EveryStoredTypeComesBackWithItsBytes) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    const at::Tensor stored = Normal(1000).to(dtype);
    at::Tensor decoded = at::empty({1000}, at::kFloat);
    DecodeWeights(BytesOf(stored), dtype, decoded);
    EXPECT_EQ(BytesOf(EncodeWeights(decoded, dtype)), BytesOf(stored)) << dtype;
  }
}

TEST(WeightCodecTest, BytesMayBeginAnywhere) {
  const at::Tensor stored = Normal(9).to(at::kBFloat16);
  const std::string shifted = "x" + std::string(BytesOf(stored));
  at::Tensor decoded = at::empty({9}, at::kFloat);
  DecodeWeights(std::string_view(shifted).substr(1), at::kBFloat16, decoded);
  EXPECT_TRUE(at::equal(decoded, stored.to(at::kFloat)));
}

// e4m3: 4 bits of exponent with bias 7, 3 of mantissa. 0x38 is 1, 0x7e the largest (448), 0x01 the
// smallest (2^-9), 0xb8 is -1, 0x3c is 1.5.
TEST(WeightCodecTest, Fp8CodesMeanWhatTheFormatSays) {
  const std::string codes = {'\x38', '\x7e', '\x01', '\xb8', '\x3c'};
  at::Tensor decoded = at::empty({5}, at::kFloat);
  DecodeWeights(codes, at::kFloat8_e4m3fn, decoded);
  const float* value = decoded.const_data_ptr<float>();
  EXPECT_EQ(std::vector<float>(value, value + 5),
            (std::vector<float>{1, 448, 1.0F / 512, -1, 1.5}));
}

// 129 rows and 130 columns: 2 x 2 blocks, of which three are cut off at the edge.
TEST(WeightCodecTest, BlocksTakeTheirOwnScale) {
  EXPECT_EQ(ScaleShape({129, 130}), (std::vector<int64_t>{2, 2}));
  const std::vector<float> scales = {1, 2, 3, 4};
  at::Tensor matrix = at::ones({129 * 130});
  ApplyBlockScales({reinterpret_cast<const char*>(scales.data()), 16}, {129, 130}, matrix);
  const float* value = matrix.const_data_ptr<float>();
  EXPECT_EQ(value[127 * 130 + 127], 1);
  EXPECT_EQ(value[127 * 130 + 128], 2);
  EXPECT_EQ(value[128 * 130 + 127], 3);
  EXPECT_EQ(value[128 * 130 + 128], 4);
}

TEST(WeightCodecTest, OnlyFloatsAreWeights) {
  EXPECT_TRUE(IsWeightDtype(at::kFloat8_e4m3fn));
  EXPECT_FALSE(IsWeightDtype(at::kLong));
  EXPECT_FALSE(IsWeightDtype(at::kDouble));
}

}  // namespace
}  // namespace deduce
