#include "kernels/causal_attention.h"

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <atomic>

#include "tests/kernels/oracle.h"

namespace deduce {
namespace {

constexpr double kScale = 0.3;

struct Shape {
  int64_t heads, kv_heads, k, v;
};
constexpr Shape kShapes[] = {{4, 2, 16, 16}, {2, 2, 24, 13}, {3, 1, 40, 70}};

at::Tensor Formula(const at::Tensor& q_thk, const at::Tensor& k_tgk, const at::Tensor& v_tgv,
                   const std::vector<int64_t>& starts) {
  const int64_t group = q_thk.size(1) / k_tgk.size(1);
  std::vector<at::Tensor> parts;
  for (size_t s = 0; s + 1 < starts.size(); ++s) {
    const auto rows = [&](const at::Tensor& x) {
      return x.narrow(0, starts[s], starts[s + 1] - starts[s]).transpose(0, 1);
    };
    const at::Tensor k_htk = rows(k_tgk).repeat_interleave(group, 0);
    const at::Tensor v_htv = rows(v_tgv).repeat_interleave(group, 0);
    const at::Tensor scores = rows(q_thk).matmul(k_htk.transpose(1, 2)) * kScale;
    const int64_t length = scores.size(1);
    const at::Tensor later = at::full({length, length}, -INFINITY, at::kDouble).triu(1);
    parts.push_back((scores + later).softmax(-1).matmul(v_htv).transpose(0, 1));
  }
  return at::cat(parts);
}

struct Inputs {
  at::Tensor q_thk, k_tgk, v_tgv;
};

Inputs MakeInputs(const Shape& shape, int64_t tokens) {
  return {NormalTensor("q", {tokens, shape.heads, shape.k}),
          NormalTensor("k", {tokens, shape.kv_heads, shape.k}),
          NormalTensor("v", {tokens, shape.kv_heads, shape.v})};
}

TEST(CausalAttentionTest, ValueAndGradientsMatchFormula) {
  const std::vector<int64_t> starts = {0, 1, 12, 12, 21, 40};
  for (const Shape& shape : kShapes) {
    const Inputs x = MakeInputs(shape, 40);
    ExpectMatchesFormula(
        {x.q_thk, x.k_tgk, x.v_tgv},
        [&](const auto& in) { return CausalAttention(in[0], in[1], in[2], starts, kScale); },
        [&](const auto& in) { return Formula(in[0], in[1], in[2], starts); },
        2e-5);  // scores up to 10 with 1e-6 relative error enter an exponential
  }
}

TEST(CausalAttentionTest, PackingNeighboursLeaveBitsAlone) {
  for (const Shape& shape : kShapes) {
    const Inputs x = MakeInputs(shape, 50);
    const at::Tensor packed = CausalAttention(x.q_thk, x.k_tgk, x.v_tgv, {0, 7, 20, 50}, kScale);
    const auto alone = [&](int64_t from, int64_t rows) {
      return CausalAttention(x.q_thk.narrow(0, from, rows), x.k_tgk.narrow(0, from, rows),
                             x.v_tgv.narrow(0, from, rows), {0, rows}, kScale);
    };
    EXPECT_TRUE(SameBits(packed.narrow(0, 7, 13), alone(7, 13)));
    EXPECT_TRUE(SameBits(packed.narrow(0, 20, 30), alone(20, 30)));
    // Nor do later tokens.
    EXPECT_TRUE(SameBits(packed.narrow(0, 20, 11), alone(20, 11)));
  }
}

TEST(CausalAttentionTest, GradientBitsDoNotDependOnPackingNeighboursOrThreads) {
  const Inputs x = MakeInputs(kShapes[0], 50);
  const auto gradient_of_k = [&](int64_t from, int64_t rows, const std::vector<int64_t>& starts) {
    const at::Tensor k_tgk = x.k_tgk.narrow(0, from, rows).clone().set_requires_grad(true);
    const at::Tensor out = CausalAttention(x.q_thk.narrow(0, from, rows), k_tgk,
                                           x.v_tgv.narrow(0, from, rows), starts, kScale);
    out.backward(x.q_thk.narrow(0, from, rows));
    return k_tgk.grad();
  };
  const at::Tensor packed = gradient_of_k(0, 50, {0, 7, 20, 50});
  EXPECT_TRUE(SameBits(packed.narrow(0, 20, 30), gradient_of_k(20, 30, {0, 30})));
  const int threads = at::get_num_threads();
  at::set_num_threads(2);
  const at::Tensor threaded = gradient_of_k(0, 50, {0, 7, 20, 50});
  at::set_num_threads(threads);
  EXPECT_TRUE(SameBits(packed, threaded));
}

// ATen's loop is a template, serial where it is compiled without OpenMP.
TEST(CausalAttentionTest, LoopsOfKernelsRunOnAllThreads) {
  const int threads = at::get_num_threads();
  at::set_num_threads(2);
  std::atomic<int> seen = 0;
  at::parallel_for(0, 2, 1, [&](int64_t, int64_t) { seen |= 1 << at::get_thread_num(); });
  at::set_num_threads(threads);
  EXPECT_EQ(seen.load(), 3);
}

TEST(CausalAttentionTest, CachedFormHasTheBitsOfThePackedForm) {
  for (const Shape& shape : kShapes) {
    const Inputs x = MakeInputs(shape, 40);
    const at::Tensor packed = CausalAttention(x.q_thk, x.k_tgk, x.v_tgv, {0, 18, 40}, kScale);
    // Slot 2 holds the first sequence, slot 0 the second; the rest of the cache is poison.
    const at::Tensor k_cache = at::full({3, 25, shape.kv_heads, shape.k}, NAN, at::kFloat);
    const at::Tensor v_cache = at::full({3, 25, shape.kv_heads, shape.v}, NAN, at::kFloat);
    k_cache[2].narrow(0, 0, 18).copy_(x.k_tgk.narrow(0, 0, 18));
    v_cache[2].narrow(0, 0, 18).copy_(x.v_tgv.narrow(0, 0, 18));
    k_cache[0].narrow(0, 0, 22).copy_(x.k_tgk.narrow(0, 18, 22));
    v_cache[0].narrow(0, 0, 22).copy_(x.v_tgv.narrow(0, 18, 22));
    std::vector<int64_t> slots, positions;
    for (int64_t i = 0; i < 40; ++i) {
      slots.push_back(i < 18 ? 2 : 0);
      positions.push_back(i < 18 ? i : i - 18);
    }
    EXPECT_TRUE(
        SameBits(CachedAttention(x.q_thk, k_cache, v_cache, slots, positions, kScale), packed));
    const at::Tensor one =
        CachedAttention(x.q_thk.narrow(0, 30, 1), k_cache, v_cache, {0}, {12}, kScale);
    EXPECT_TRUE(SameBits(one, packed.narrow(0, 30, 1)));
  }
}

TEST(CausalAttentionTest, LargeScoresStayFinite) {
  const Inputs x = MakeInputs(kShapes[0], 20);
  const at::Tensor out = CausalAttention(x.q_thk * 1000, x.k_tgk, x.v_tgv, {0, 20}, kScale);
  EXPECT_TRUE(out.isfinite().all().item<bool>());
}

TEST(CausalAttentionTest, AcceptsNoTokens) {
  const Inputs x = MakeInputs(kShapes[0], 0);
  const at::Tensor q_thk = x.q_thk.clone().set_requires_grad(true);
  const at::Tensor out = CausalAttention(q_thk, x.k_tgk, x.v_tgv, {0}, kScale);
  EXPECT_EQ(out.numel(), 0);
  out.sum().backward();
  const at::Tensor cache = at::zeros({1, 4, 2, 16}, at::kFloat);
  EXPECT_EQ(CachedAttention(x.q_thk, cache, cache, {}, {}, kScale).numel(), 0);
}

TEST(CausalAttentionTest, RejectsStartsThatDoNotCoverTheTokens) {
  const Inputs x = MakeInputs(kShapes[0], 6);
  EXPECT_THROW(CausalAttention(x.q_thk, x.k_tgk, x.v_tgv, {0, 5}, kScale), c10::Error);
  EXPECT_THROW(CausalAttention(x.q_thk, x.k_tgk, x.v_tgv, {0, 4, 3, 6}, kScale), c10::Error);
}

TEST(CausalAttentionTest, RejectsPositionOutsideTheCache) {
  const at::Tensor cache = at::zeros({1, 4, 2, 16}, at::kFloat);
  EXPECT_THROW(CachedAttention(NormalTensor("q", {1, 4, 16}), cache, cache, {0}, {4}, kScale),
               c10::Error);
}

}  // namespace
}  // namespace deduce
