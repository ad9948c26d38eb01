#include "kernels/matmul.h"

#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>

#include "tests/kernels/oracle.h"

namespace deduce {
namespace {

// Sums of up to 128 products of magnitude 1 in fp32; products of two bf16 are exact in fp32.
constexpr double kBound = 2e-5;

at::Tensor Rounded(const at::Tensor& x) { return AsOperand(x, ComputeType::kBfloat16); }

TEST(AsOperandTest, RoundsToTheNearestBfloat16AndTiesToEven) {
  const float step = 0x1p-7F;  // between bf16 numbers from 1 to 2
  const at::Tensor x = at::tensor({1 + step / 2, 1 + 3 * step / 2, 1 + 0.51F * step, -1 - step});
  const at::Tensor expected = at::tensor({1.0F, 1 + 2 * step, 1 + step, -1 - step});
  EXPECT_TRUE(SameBits(Rounded(x).to(at::kFloat), expected));
}

TEST(AsOperandTest, CopiesNothingThatHasTheType) {
  const at::Tensor x = NormalTensor("x", {3, 4});
  EXPECT_EQ(AsOperand(x, ComputeType::kFloat32).const_data_ptr(), x.const_data_ptr());
  const at::Tensor rounded = Rounded(x);
  EXPECT_EQ(Rounded(rounded).const_data_ptr(), rounded.const_data_ptr());
}

// Every way in which operands can lie in memory.
TEST(MatmulTest, ProductOfBfloat16HasExactProductsAndSumsInFp32) {
  const int64_t shapes[][3] = {{37, 100, 40}, {1, 128, 64}, {64, 1, 5}, {16, 33, 1}, {1, 1, 1}};
  for (const auto& [m, k, n] : shapes) {
    const at::Tensor a_mk = Rounded(NormalTensor("a", {m, k}));
    const at::Tensor b_kn = Rounded(NormalTensor("b", {k, n}));
    const at::Tensor expected = a_mk.to(at::kDouble).mm(b_kn.to(at::kDouble));
    const at::Tensor a_stored_km = a_mk.t().contiguous(), b_stored_nk = b_kn.t().contiguous();
    for (const at::Tensor& a : {a_mk, a_stored_km.t()}) {
      for (const at::Tensor& b : {b_kn, b_stored_nk.t()}) {
        const at::Tensor out = Matmul(a, b, ComputeType::kBfloat16);
        EXPECT_EQ(out.scalar_type(), at::kFloat);
        ExpectNear(out, expected, kBound, "product");
      }
    }
  }
}

TEST(MatmulTest, AccumulatesInFp32) {
  for (const ComputeType type : {ComputeType::kFloat32, ComputeType::kBfloat16}) {
    const at::Tensor a_mk = AsOperand(NormalTensor("a", {5, 20}), type);
    const at::Tensor b_kn = AsOperand(NormalTensor("b", {20, 7}), type);
    const at::Tensor out = at::full({5, 7}, 0.1F);
    MatmulInto(out, a_mk, b_kn, type, /*accumulate=*/true);
    ExpectNear(out, a_mk.to(at::kDouble).mm(b_kn.to(at::kDouble)) + 0.1, kBound, "sum");
  }
}

TEST(MatmulTest, NothingToAddUpGivesZeros) {
  for (const ComputeType type : {ComputeType::kFloat32, ComputeType::kBfloat16}) {
    const at::Tensor a_mk = AsOperand(at::empty({3, 0}, at::kFloat), type);
    const at::Tensor b_kn = AsOperand(at::empty({0, 2}, at::kFloat), type);
    const at::Tensor out = at::full({3, 2}, 5.0F);
    MatmulInto(out, a_mk, b_kn, type, /*accumulate=*/true);
    EXPECT_EQ(out.min().item<float>(), 5);
    MatmulInto(out, a_mk, b_kn, type);
    EXPECT_EQ(out.abs().max().item<float>(), 0);
  }
}

TEST(MatmulTest, RejectsSizesTypesAndGapsThatDoNotFit) {
  const at::Tensor a = NormalTensor("a", {3, 4}), b = NormalTensor("b", {5, 2});
  EXPECT_THROW(Matmul(a, b, ComputeType::kFloat32), c10::Error);
  EXPECT_THROW(Matmul(Rounded(a), Rounded(b), ComputeType::kBfloat16), c10::Error);
  EXPECT_THROW(Matmul(a, b.narrow(0, 0, 4), ComputeType::kBfloat16), c10::Error);
  const at::Tensor every_second = Rounded(NormalTensor("a", {3, 8})).slice(1, 0, 8, 2);
  EXPECT_THROW(Matmul(every_second, Rounded(b.narrow(0, 0, 4)), ComputeType::kBfloat16),
               c10::Error);
}

}  // namespace
}  // namespace deduce
