#include "kernels/swiglu.h"

#include "tests/kernels/oracle.h"

namespace deduce {
namespace {

TEST(SwiGluTest, ValueAndGradientsMatchFormula) {
  for (const int64_t width : {1, 13, 64}) {
    ExpectMatchesFormula(
        {NormalTensor("gate", {9, width}, 3), NormalTensor("up", {9, width})},
        [](const auto& in) { return SwiGlu(in[0], in[1]); },
        [](const auto& in) { return in[0] * in[0].sigmoid() * in[1]; },
        2e-6);  // a few roundings of 6e-8 and exp's 1 ulp
  }
}

TEST(SwiGluTest, RowBitsDoNotDependOnRowCount) {
  for (const int64_t width : {13, 40, 100}) {
    ExpectRowBitsIndependent(NormalTensor("x", {70, 2 * width}), [&](const at::Tensor& x) {
      return SwiGlu(x.narrow(1, 0, width), x.narrow(1, width, width));
    });
  }
}

TEST(SwiGluTest, SaturatesWithoutNan) {
  const at::Tensor gate = NormalTensor("gate", {1, 16}).sign() * 200;
  const at::Tensor out = SwiGlu(gate, gate.abs() / 200);
  EXPECT_EQ((out - gate.clamp_min(0)).abs().max().item<float>(), 0);
}

TEST(SwiGluTest, AcceptsNoRows) {
  EXPECT_EQ(SwiGlu(at::empty({0, 8}, at::kFloat), at::empty({0, 8}, at::kFloat)).numel(), 0);
}

}  // namespace
}  // namespace deduce
