#include "kernels/grouped_matmul.h"

#include <ATen/ops/cat.h>

#include "kernels/linear.h"
#include "tests/kernels/oracle.h"

namespace deduce {
namespace {

constexpr double kBound = 2e-5;  // as for Linear

at::Tensor Formula(const at::Tensor& x_ni, const at::Tensor& weight_eoi,
                   const std::vector<int64_t>& rows_per_expert) {
  std::vector<at::Tensor> parts;
  int64_t start = 0;
  for (size_t expert = 0; expert < rows_per_expert.size(); ++expert) {
    const int64_t rows = rows_per_expert[expert];
    parts.push_back(
        x_ni.narrow(0, start, rows).mm(weight_eoi.select(0, static_cast<int64_t>(expert)).t()));
    start += rows;
  }
  return at::cat(parts);
}

TEST(GroupedMatmulTest, ValueAndGradientsMatchFormula) {
  const std::vector<int64_t> counts[] = {
      {5, 0, 16, 1, 40}, {0, 0, 0, 0, 3}, {33, 2, 0, 0, 0}, {1, 1, 1, 1, 1}};
  for (const auto& rows : counts) {
    int64_t n = 0;
    for (const int64_t count : rows) n += count;
    ExpectMatchesFormula(
        {NormalTensor("x", {n, 40}), NormalTensor("w", {5, 24, 40})},
        [&](const auto& in) { return GroupedMatmul(in[0], in[1], rows); },
        [&](const auto& in) { return Formula(in[0], in[1], rows); }, kBound);
  }
}

TEST(GroupedMatmulTest, RowsHaveTheBitsOfLinear) {
  const at::Tensor weight_eoi = NormalTensor("w", {3, 100, 40});
  for (int64_t rows = 1; rows <= 40; ++rows) {
    const at::Tensor x_ni = NormalTensor("x", {rows + 14, 40});
    const at::Tensor out_no = GroupedMatmul(x_ni, weight_eoi, {7, rows, 7});
    ASSERT_TRUE(SameBits(out_no.narrow(0, 7, rows), Linear(x_ni.narrow(0, 7, rows), weight_eoi[1])))
        << rows;
    ASSERT_TRUE(SameBits(out_no.narrow(0, 0, 7), Linear(x_ni.narrow(0, 0, 7), weight_eoi[0])))
        << rows;
    ASSERT_TRUE(
        SameBits(out_no.narrow(0, 7 + rows, 7), Linear(x_ni.narrow(0, 7 + rows, 7), weight_eoi[2])))
        << rows;
  }
}

// Of one expert's rows, in its place among the others'.
TEST(GroupedMatmulTest, Bfloat16HasTheBitsOfLinearInValuesAndGradients) {
  const std::vector<int64_t> rows_per_expert = {7, 0, 20};
  const at::Tensor x_ni = NormalTensor("x", {27, 40}).set_requires_grad(true);
  const at::Tensor weight_eoi = NormalTensor("w", {3, 24, 40}).set_requires_grad(true);
  const at::Tensor grad_no = NormalTensor("g", {27, 24});
  const at::Tensor out_no =
      GroupedMatmul(x_ni, weight_eoi, rows_per_expert, ComputeType::kBfloat16);
  out_no.backward(grad_no);

  const at::Tensor last_x = x_ni.detach().narrow(0, 7, 20).clone().set_requires_grad(true);
  const at::Tensor last_weight = weight_eoi.detach()[2].clone().set_requires_grad(true);
  const at::Tensor last_out = Linear(last_x, last_weight, ComputeType::kBfloat16);
  last_out.backward(grad_no.narrow(0, 7, 20));
  EXPECT_TRUE(SameBits(out_no.narrow(0, 7, 20), last_out));
  EXPECT_TRUE(SameBits(x_ni.grad().narrow(0, 7, 20), last_x.grad()));
  EXPECT_TRUE(SameBits(weight_eoi.grad()[2], last_weight.grad()));
  EXPECT_EQ(weight_eoi.grad()[1].abs().max().item<float>(), 0);
}

TEST(GroupedMatmulTest, NoRowsGiveZeroWeightGradient) {
  const at::Tensor weight_eoi = NormalTensor("w", {2, 3, 4}).set_requires_grad(true);
  const at::Tensor out = GroupedMatmul(at::empty({0, 4}, at::kFloat), weight_eoi, {0, 0});
  EXPECT_EQ(out.sizes(), at::IntArrayRef({0, 3}));
  out.sum().backward();
  EXPECT_EQ(weight_eoi.grad().abs().max().item<float>(), 0);
}

TEST(GroupedMatmulTest, RejectsCountsThatDoNotAddUp) {
  EXPECT_THROW(GroupedMatmul(NormalTensor("x", {3, 4}), NormalTensor("w", {2, 3, 4}), {1, 1}),
               c10::Error);
}

}  // namespace
}  // namespace deduce
