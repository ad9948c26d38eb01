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
