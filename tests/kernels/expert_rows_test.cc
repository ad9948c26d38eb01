#include "kernels/expert_rows.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>

#include "kernels/host_values.h"
#include "tests/kernels/oracle.h"

namespace deduce {
namespace {

at::Tensor Choices() { return at::tensor(std::vector<int64_t>{2, 0, 0, 1, 2, 1}).view({3, 2}); }

TEST(ExpertRowsTest, RowsAreSortedByExpertThenToken) {
  const ExpertOrder order = OrderByExpert(Choices(), 4);
  EXPECT_EQ(HostValues<int64_t>(order.rows_per_expert_e), (std::vector<int64_t>{2, 2, 2, 0}));
  EXPECT_TRUE(
      at::equal(order.row_tk, at::tensor(std::vector<int64_t>{4, 0, 1, 2, 5, 3}).view({3, 2})));
  EXPECT_THROW(OrderByExpert(Choices(), 2), c10::Error);
}

// With 13 columns the last vector of a row is masked.
TEST(ExpertRowsTest, GatherAndCombineAgreeWithIndexing) {
  const at::Tensor row_tk = OrderByExpert(Choices(), 4).row_tk;
  const at::Tensor x_td = NormalTensor("1", {3, 13}).requires_grad_(true);
  const at::Tensor gate_tk = NormalTensor("2", {3, 2}).requires_grad_(true);
  const at::Tensor scale_nd = NormalTensor("3", {6, 13});
  const at::Tensor factor_td = NormalTensor("4", {3, 13});
  const at::Tensor out_td = CombineRows(GatherRows(x_td, row_tk) * scale_nd, gate_tk, row_tk);
  (out_td * factor_td).sum().backward();

  const at::Tensor x = x_td.detach().to(at::kDouble).requires_grad_(true);
  const at::Tensor gate = gate_tk.detach().to(at::kDouble).requires_grad_(true);
  const at::Tensor scale_tkd =
      scale_nd.to(at::kDouble).index_select(0, row_tk.view({6})).view({3, 2, 13});
  const at::Tensor expected = (gate.unsqueeze(2) * x.unsqueeze(1) * scale_tkd).sum(1);
  (expected * factor_td.to(at::kDouble)).sum().backward();
  const auto error = [](const at::Tensor& a, const at::Tensor& b) {
    return (a.to(at::kDouble) - b).abs().max().item<double>();
  };
  // Sums of at most 13 products of numbers below 4 in fp32.
  EXPECT_LE(error(out_td.detach(), expected.detach()), 1e-5);
  EXPECT_LE(error(x_td.grad(), x.grad()), 1e-5);
  EXPECT_LE(error(gate_tk.grad(), gate.grad()), 1e-4);
}

TEST(ExpertRowsTest, NoTokensGiveNoRows) {
  const at::Tensor none_tk = at::empty({0, 2}, at::kLong);
  const ExpertOrder order = OrderByExpert(none_tk, 3);
  const at::Tensor x_td = at::empty({0, 5}, at::kFloat).requires_grad_(true);
  const at::Tensor rows_nd = GatherRows(x_td, order.row_tk);
  EXPECT_EQ(rows_nd.sizes(), at::IntArrayRef({0, 5}));
  const at::Tensor out_td = CombineRows(rows_nd, at::empty({0, 2}, at::kFloat), order.row_tk);
  out_td.sum().backward();
  EXPECT_EQ(x_td.grad().sizes(), at::IntArrayRef({0, 5}));
}

}  // namespace
}  // namespace deduce
