#include "kernels/plain/matmul.h"

#include "kernels/grouped_matmul.h"
#include "kernels/linear.h"
#include "tests/kernels/oracle.h"

namespace deduce {
namespace {

TEST(PlainMatmulTest, OneProductAnExpertAgreesWithTheKernel) {
  const std::vector<int64_t> rows = {4, 0, 3};
  ExpectMatchesFormula(
      {NormalTensor("x", {7, 12}), NormalTensor("e", {3, 5, 12})},
      [&](const auto& in) { return GroupedMatmul(in[0], in[1], rows); },
      [&](const auto& in) { return plain::GroupedMatmul(in[0], in[1], rows); }, 1e-5);
}

// Products of bf16 are exact in fp32, so the two differ in the order of 12 additions alone.
TEST(PlainMatmulTest, RoundedOperandsAgreeWithTheKernelOfBfloat16) {
  const at::Tensor a_mk = AsOperand(NormalTensor("a", {16, 12}), ComputeType::kBfloat16);
  const at::Tensor b_kn = AsOperand(NormalTensor("b", {12, 5}), ComputeType::kBfloat16);
  at::Tensor found = NormalTensor("out", {16, 5}), expected = found.clone();
  for (const bool accumulate : {true, false}) {
    MatmulInto(found, a_mk, b_kn, ComputeType::kBfloat16, accumulate);
    plain::MatmulInto(expected, a_mk, b_kn, accumulate);
    ExpectNear(found, expected, 1e-5, accumulate ? "added" : "alone");
  }
}

// In fp64 the type of operands asked for is not: such models tell errors from rounding.
TEST(PlainMatmulTest, OperandsInDoublePrecisionAreNotRounded) {
  const at::Tensor x = NormalTensor("x", {7, 12}).to(at::kDouble);
  const at::Tensor w = NormalTensor("w", {5, 12}).to(at::kDouble);
  const at::Tensor found = Linear(x, w, ComputeType::kBfloat16);
  EXPECT_EQ(found.scalar_type(), at::kDouble);
  ExpectNear(found, x.mm(w.t()), 1e-14, "product");
}

}  // namespace
}  // namespace deduce
