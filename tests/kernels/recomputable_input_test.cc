#include "kernels/recomputable_input.h"

#include "kernels/causal_attention.h"
#include "kernels/linear.h"
#include "kernels/rms_norm.h"
#include "kernels/swiglu.h"
#include "tests/kernels/oracle.h"

namespace deduce {
namespace {

using Kind = RecomputableInput::Kind;

at::Tensor Leaf(std::string_view name, at::IntArrayRef sizes) {
  return NormalTensor(name, sizes).set_requires_grad(true);
}

// Gradients through the input's maker are those of an input that is kept itself.
void ExpectHadAgain(const at::Tensor& x_ti, Kind kind) {
  for (const ComputeType type : {ComputeType::kFloat32, ComputeType::kBfloat16}) {
    const at::Tensor operand_ti = AsOperand(x_ti, type);
    const RecomputableInput kept = KeepInput(x_ti, operand_ti, type);
    const bool is_rounded = type == ComputeType::kBfloat16;
    EXPECT_EQ(kept.kind, kind == Kind::kRounded && !is_rounded ? Kind::kOperand : kind);
    EXPECT_TRUE(SameBits(OperandAgain(kept, type).detach(), operand_ti.detach()));

    const at::Tensor weight_oi = Leaf("w", {24, x_ti.size(1)});
    const at::Tensor apart_oi = Leaf("w", {24, x_ti.size(1)});
    Linear(x_ti, weight_oi, type).square().sum().backward({}, /*retain_graph=*/true);
    Linear(x_ti.detach(), apart_oi, type).square().sum().backward();
    EXPECT_TRUE(SameBits(weight_oi.grad(), apart_oi.grad()));
  }
}

TEST(RecomputableInputTest, ANormIsComputedAgain) {
  ExpectHadAgain(RmsNorm(Leaf("x", {19, 40}), Leaf("n", {40}), 1e-5), Kind::kNormed);
}

TEST(RecomputableInputTest, SwiGluIsComputedAgain) {
  ExpectHadAgain(SwiGlu(Leaf("gate", {19, 40}), Leaf("up", {19, 40})), Kind::kGated);
}

TEST(RecomputableInputTest, WhatAttentionKeepsIsRoundedAgain) {
  const at::Tensor out_thv = CausalAttention(Leaf("q", {19, 4, 16}), Leaf("k", {19, 2, 16}),
                                             Leaf("v", {19, 2, 16}), {0, 7, 19}, 0.25);
  ExpectHadAgain(out_thv.reshape({19, 64}), Kind::kRounded);
}

TEST(RecomputableInputTest, OthersAreKept) {
  ExpectHadAgain(Leaf("x", {19, 40}), Kind::kOperand);
  ExpectHadAgain(Leaf("x", {19, 40}).mul(2), Kind::kOperand);
  ExpectHadAgain(NormalTensor("x", {19, 40}), Kind::kOperand);
}

}  // namespace
}  // namespace deduce
