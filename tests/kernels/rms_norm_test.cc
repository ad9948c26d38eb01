#include "kernels/rms_norm.h"

#include "tests/kernels/oracle.h"

namespace deduce {
namespace {

constexpr double kEps = 1e-6;

TEST(RmsNormTest, ValueAndGradientsMatchFormula) {
  for (const int64_t width : {1, 7, 13, 64, 100}) {
    ExpectMatchesFormula(
        {NormalTensor("x", {9, width}), NormalTensor("w", {width})},
        [](const auto& in) { return RmsNorm(in[0], in[1], kEps); },
        [](const auto& in) { return in[0] * (in[0].pow(2).mean(-1, true) + kEps).rsqrt() * in[1]; },
        1e-5);  // sums of up to 100 terms; the quotient amplifies rounding by 1/rms of a short row
  }
}

TEST(RmsNormTest, RowBitsDoNotDependOnRowCount) {
  for (const int64_t width : {13, 40, 100, 256}) {
    const at::Tensor weight_d = NormalTensor("w", {width});
    ExpectRowBitsIndependent(NormalTensor("x", {70, width}),
                             [&](const at::Tensor& x) { return RmsNorm(x, weight_d, kEps); });
  }
}

TEST(RmsNormTest, KeepsBfloat16AndComputesInFp32) {
  const at::Tensor x = NormalTensor("x", {4, 24}).to(at::kBFloat16);
  const at::Tensor weight = NormalTensor("w", {24}).to(at::kBFloat16);
  const at::Tensor out = RmsNorm(x, weight, kEps);
  EXPECT_EQ(out.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(
      SameBits(out, RmsNorm(x.to(at::kFloat), weight.to(at::kFloat), kEps).to(at::kBFloat16)));
}

TEST(RmsNormTest, AcceptsNoRows) {
  const at::Tensor weight = NormalTensor("w", {24}).set_requires_grad(true);
  const at::Tensor out = RmsNorm(at::empty({0, 24}, at::kFloat), weight, kEps);
  out.sum().backward();
  EXPECT_EQ(out.size(0), 0);
  EXPECT_EQ(weight.grad().abs().max().item<float>(), 0);
}

}  // namespace
}  // namespace deduce
