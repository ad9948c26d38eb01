#include "kernels/linear.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include <vector>

#include "tests/kernels/oracle.h"

namespace deduce {
namespace {

// Sums of up to 128 products of magnitude 1: fp32 rounding stays well below this.
constexpr double kBound = 2e-5;

TEST(LinearTest, ValueAndGradientsMatchFormula) {
  for (const int64_t rows : {1, 3, 16, 37}) {
    ExpectMatchesFormula(
        {NormalTensor("x", {rows, 100}), NormalTensor("w", {40, 100})},
        [](const auto& in) { return Linear(in[0], in[1]); },
        [](const auto& in) { return in[0].mm(in[1].t()); }, kBound);
  }
}

TEST(LinearTest, SeveralWeightsMatchFormula) {
  for (const int64_t rows : {3, 16}) {
    ExpectMatchesFormula(
        {NormalTensor("x", {rows, 100}), NormalTensor("u", {40, 100}), NormalTensor("v", {1, 100}),
         NormalTensor("w", {60, 100})},
        [](const auto& in) {
          return at::cat(LinearEach(in[0], {in[1], in[2], in[3]}), 1);
        },
        [](const auto& in) {
          return in[0].mm(at::cat({in[1], in[2], in[3]}).t());
        },
        kBound);
  }
}

TEST(LinearTest, SeveralWeightsHaveTheBitsOfEach) {
  for (const ComputeType type : {ComputeType::kFloat32, ComputeType::kBfloat16}) {
    const at::Tensor x_ti = NormalTensor("x", {37, 100});
    const at::Tensor u_oi = NormalTensor("u", {40, 100}), w_oi = NormalTensor("w", {60, 100});
    const std::vector<at::Tensor> both = LinearEach(x_ti, {u_oi, w_oi}, type);
    EXPECT_TRUE(SameBits(both[0], Linear(x_ti, u_oi, type)));
    EXPECT_TRUE(SameBits(both[1], Linear(x_ti, w_oi, type)));
  }
}

// Measures the matrix product of the machine it runs on.
TEST(LinearTest, RowBitsDoNotDependOnRowCount) {
  const int64_t shapes[][2] = {{13, 40},  {40, 13},   {64, 256},  {100, 100},
                               {256, 65}, {576, 128}, {128, 1000}};
  for (const auto& shape : shapes) {
    const at::Tensor weight_oi = NormalTensor("w", {shape[1], shape[0]});
    ExpectRowBitsIndependent(NormalTensor("x", {70, shape[0]}),
                             [&](const at::Tensor& x) { return Linear(x, weight_oi); });
  }
}

TEST(LinearTest, RowBitsDoNotDependOnRowCountOnTwoThreads) {
  const int threads = at::get_num_threads();
  at::set_num_threads(2);
  const at::Tensor x_ti = NormalTensor("x", {70, 100});
  const at::Tensor weight_oi = NormalTensor("w", {256, 100});
  const at::Tensor all_to = Linear(x_ti, weight_oi);
  // Few calls: two threads on a busy machine wait for each other.
  for (const int64_t rows : {1, 2, 3, 5, 17}) {
    EXPECT_TRUE(SameBits(Linear(x_ti.narrow(0, 0, rows), weight_oi), all_to.narrow(0, 0, rows)))
        << rows;
  }
  at::set_num_threads(threads);
}

TEST(LinearTest, RowBitsOfInputGradientDoNotDependOnRowCount) {
  const at::Tensor weight_oi = NormalTensor("w", {100, 40});
  ExpectRowBitsIndependent(NormalTensor("g", {70, 100}), [&](const at::Tensor& grad) {
    const at::Tensor x_ti = NormalTensor("x", {grad.size(0), 40}).set_requires_grad(true);
    Linear(x_ti, weight_oi).backward(grad);
    return x_ti.grad();
  });
}

at::Tensor Rounded(const at::Tensor& x) { return AsOperand(x, ComputeType::kBfloat16); }

TEST(LinearTest, Bfloat16RoundsOperandsAndNothingElse) {
  const at::Tensor x_ti = NormalTensor("x", {37, 100}).set_requires_grad(true);
  const at::Tensor weight_oi = NormalTensor("w", {40, 100}).set_requires_grad(true);
  const at::Tensor grad_to = NormalTensor("g", {37, 40});
  const at::Tensor out_to = Linear(x_ti, weight_oi, ComputeType::kBfloat16);
  out_to.backward(grad_to);
  const auto wide = [](const at::Tensor& x) { return Rounded(x).to(at::kDouble); };
  ExpectNear(out_to, wide(x_ti).mm(wide(weight_oi).t()), kBound, "result");
  ExpectNear(x_ti.grad(), wide(grad_to).mm(wide(weight_oi)), kBound, "gradient of x");
  ExpectNear(weight_oi.grad(), wide(grad_to).t().mm(wide(x_ti)), kBound, "gradient of the weight");
}

TEST(LinearTest, RowBitsDoNotDependOnRowCountInBfloat16) {
  const int64_t shapes[][2] = {{13, 40}, {96, 64}, {100, 100}, {256, 65}, {576, 128}};
  for (const auto& shape : shapes) {
    const at::Tensor weight_oi = NormalTensor("w", {shape[1], shape[0]});
    ExpectRowBitsIndependent(NormalTensor("x", {70, shape[0]}), [&](const at::Tensor& x) {
      return Linear(x, weight_oi, ComputeType::kBfloat16);
    });
  }
}

TEST(LinearTest, ARoundedWeightHasTheBitsOfRoundingIt) {
  const at::Tensor x_ti = NormalTensor("x", {5, 40}), weight_oi = NormalTensor("w", {24, 40});
  EXPECT_TRUE(SameBits(Linear(x_ti, Rounded(weight_oi), ComputeType::kBfloat16),
                       Linear(x_ti, weight_oi, ComputeType::kBfloat16)));
  EXPECT_THROW(Linear(x_ti, Rounded(weight_oi)), c10::Error);
}

TEST(LinearTest, NoRowsGiveNoRowsAndZeroWeightGradient) {
  const at::Tensor weight_oi = NormalTensor("w", {5, 4}).set_requires_grad(true);
  const at::Tensor out = Linear(at::empty({0, 4}, at::kFloat), weight_oi);
  EXPECT_EQ(out.sizes(), at::IntArrayRef({0, 5}));
  out.sum().backward();
  EXPECT_EQ(weight_oi.grad().abs().max().item<float>(), 0);
}

TEST(LinearTest, RecordsNothingWithoutGradientMode) {
  const at::Tensor weight_oi = NormalTensor("w", {5, 4}).set_requires_grad(true);
  const at::NoGradGuard no_grad;
  EXPECT_FALSE(Linear(NormalTensor("x", {3, 4}), weight_oi).requires_grad());
}

TEST(LinearTest, RejectsWidthThatDoesNotFit) {
  EXPECT_THROW(Linear(NormalTensor("x", {3, 4}), NormalTensor("w", {5, 6})), c10::Error);
}

}  // namespace
}  // namespace deduce
