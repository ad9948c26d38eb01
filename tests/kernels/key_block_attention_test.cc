#include "kernels/key_block_attention.h"

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>

#include "kernels/causal_attention.h"
#include "tests/kernels/oracle.h"

namespace deduce {
namespace {

constexpr double kScale = 0.3;

struct Shape {
  int64_t heads, kv_heads, k, v;
};
constexpr Shape kShapes[] = {{4, 2, 16, 16}, {2, 2, 24, 13}, {3, 1, 40, 70}};

// Two sequences of which the queries see keys in three blocks; a query sees none of some blocks,
// and a block has no key of the second sequence.
const std::vector<KeyRuns> kBlocks = {
    {{0, 12, 21}, {0, 12, 30}, {1,  2, 3, 4, 5, 6, 7,  8,  9,  10, 11,
                                12, 1, 2, 3, 4, 5, 16, 17, 18, 18}},
    {{0, 12, 21}, {0, 7, 7}, {0, 0, 0, 2, 2, 2, 2, 5, 5, 7, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
    {{0, 12, 21}, {0, 1, 24}, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 9, 9, 9, 9, 9, 9, 23}}};
constexpr int64_t kQueries = 21;

struct Case {
  at::Tensor q_thk, grad_thv;
  std::vector<at::Tensor> k_gxk, v_gxv;  // of each block
};

Case MakeCase(const Shape& shape, at::ScalarType type = at::kFloat) {
  const auto normal = [&](const char* name, at::IntArrayRef sizes) {
    return NormalTensor(name, sizes).to(type);
  };
  Case of{normal("q", {kQueries, shape.heads, shape.k}),
          normal("grad", {kQueries, shape.heads, shape.v}),
          {},
          {}};
  for (size_t b = 0; b < kBlocks.size(); ++b) {
    const int64_t keys = kBlocks[b].key_starts.back();
    of.k_gxk.push_back(normal(b == 0   ? "k0"
                              : b == 1 ? "k1"
                                       : "k2",
                              {shape.kv_heads, keys, shape.k}));
    of.v_gxv.push_back(normal(b == 0   ? "v0"
                              : b == 1 ? "v1"
                                       : "v2",
                              {shape.kv_heads, keys, shape.v}));
  }
  return of;
}

// Query by query, over the keys of all blocks that it sees.
at::Tensor Formula(const at::Tensor& q_thk, const std::vector<at::Tensor>& k_gxk,
                   const std::vector<at::Tensor>& v_gxv) {
  std::vector<at::Tensor> rows;
  for (int64_t i = 0; i < kQueries; ++i) {
    std::vector<at::Tensor> keys, values;
    for (size_t b = 0; b < kBlocks.size(); ++b) {
      const int64_t first = kBlocks[b].key_starts[i < kBlocks[b].query_starts[1] ? 0 : 1];
      const int64_t visible = kBlocks[b].visible_t[static_cast<size_t>(i)];
      keys.push_back(k_gxk[b].narrow(1, first, visible));
      values.push_back(v_gxv[b].narrow(1, first, visible));
    }
    const int64_t group = q_thk.size(1) / k_gxk[0].size(0);
    const at::Tensor k_hxk = at::cat(keys, 1).repeat_interleave(group, 0);
    const at::Tensor v_hxv = at::cat(values, 1).repeat_interleave(group, 0);
    const at::Tensor scores_h1x = q_thk[i].unsqueeze(1).matmul(k_hxk.transpose(1, 2)) * kScale;
    rows.push_back(scores_h1x.softmax(-1).matmul(v_hxv).transpose(0, 1));
  }
  return at::cat(rows);
}

PartialAttention AttendBlocks(const Case& of, const std::vector<size_t>& order) {
  PartialAttention sum =
      AttendKeyBlock(of.q_thk, of.k_gxk[order[0]], of.v_gxv[order[0]], kBlocks[order[0]], kScale);
  for (size_t i = 1; i < order.size(); ++i) {
    const size_t b = order[i];
    MergeAttention(sum, AttendKeyBlock(of.q_thk, of.k_gxk[b], of.v_gxv[b], kBlocks[b], kScale));
  }
  return sum;
}

AttentionGradients GradientsOfBlock(const Case& of, const PartialAttention& all, size_t b) {
  return KeyBlockGradients(
      {of.q_thk, of.k_gxk[b], of.v_gxv[b], all.out_thv, all.log_sum_exp_ht, of.grad_thv},
      kBlocks[b], kScale);
}

void ExpectBlocksMatchFormula(const Case& of, double bound) {
  const auto wide = [](const at::Tensor& x) {
    return x.to(at::kDouble).clone().set_requires_grad(true);
  };
  const at::Tensor q_thk = wide(of.q_thk);
  std::vector<at::Tensor> k_gxk, v_gxv;
  for (size_t b = 0; b < kBlocks.size(); ++b) {
    k_gxk.push_back(wide(of.k_gxk[b]));
    v_gxv.push_back(wide(of.v_gxv[b]));
  }
  const at::Tensor expected = Formula(q_thk, k_gxk, v_gxv);
  expected.backward(of.grad_thv.to(at::kDouble));
  for (const std::vector<size_t>& order : {std::vector<size_t>{0, 1, 2}, {1, 2, 0}}) {
    const PartialAttention all = AttendBlocks(of, order);
    ExpectNear(all.out_thv, expected, bound, "result");
    at::Tensor grad_q_thk = at::zeros_like(of.q_thk);
    for (const size_t b : order) {
      const AttentionGradients block = GradientsOfBlock(of, all, b);
      grad_q_thk += block.grad_q_thk;
      ExpectNear(block.grad_k_gxk, k_gxk[b].grad(), bound, "keys of block " + std::to_string(b));
      ExpectNear(block.grad_v_gxv, v_gxv[b].grad(), bound, "values of block " + std::to_string(b));
    }
    ExpectNear(grad_q_thk, q_thk.grad(), bound, "queries");
  }
}

TEST(KeyBlockAttentionTest, MergedBlocksAndTheirGradientsMatchFormula) {
  // Scores up to 10 with 1e-6 relative error enter an exponential.
  for (const Shape& shape : kShapes) ExpectBlocksMatchFormula(MakeCase(shape), 2e-5);
}

TEST(KeyBlockAttentionTest, MergedBlocksMatchFormulaInDoublePrecision) {
  for (const Shape& shape : kShapes) ExpectBlocksMatchFormula(MakeCase(shape, at::kDouble), 1e-13);
}

TEST(KeyBlockAttentionTest, OneBlockOfAllKeysHasTheBitsOfCausalAttention) {
  const std::vector<int64_t> starts = {0, 5, 5, 19};
  KeyRuns runs{starts, starts, {}};
  for (const int64_t length : {5, 14})
    for (int64_t i = 1; i <= length; ++i) runs.visible_t.push_back(i);
  for (const Shape& shape : kShapes) {
    const at::Tensor q_thk = NormalTensor("q", {19, shape.heads, shape.k});
    const at::Tensor k_tgk = NormalTensor("k", {19, shape.kv_heads, shape.k});
    const at::Tensor v_tgv = NormalTensor("v", {19, shape.kv_heads, shape.v});
    const PartialAttention block = AttendKeyBlock(q_thk, k_tgk.transpose(0, 1).contiguous(),
                                                  v_tgv.transpose(0, 1).contiguous(), runs, kScale);
    EXPECT_TRUE(SameBits(block.out_thv, CausalAttention(q_thk, k_tgk, v_tgv, starts, kScale)));
  }
}

TEST(KeyBlockAttentionTest, AQueryWithoutKeysIsZeroAndItsMergeKeepsTheOthersBits) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const Case of = MakeCase(kShapes[0], type);
    const PartialAttention first =
        AttendKeyBlock(of.q_thk, of.k_gxk[0], of.v_gxv[0], kBlocks[0], kScale);
    const PartialAttention second =
        AttendKeyBlock(of.q_thk, of.k_gxk[1], of.v_gxv[1], kBlocks[1], kScale);
    const auto unseen = [](const PartialAttention& of_all) {
      return PartialAttention{of_all.out_thv.narrow(0, 12, 9).clone(),
                              of_all.log_sum_exp_ht.narrow(1, 12, 9).clone()};
    };
    EXPECT_EQ(unseen(second).out_thv.abs().max().item<double>(), 0);
    EXPECT_TRUE(unseen(second).log_sum_exp_ht.isneginf().all().item<bool>());
    const PartialAttention expected = unseen(first);
    for (const bool swapped : {false, true}) {
      PartialAttention sum = unseen(swapped ? second : first);
      MergeAttention(sum, unseen(swapped ? first : second));
      EXPECT_TRUE(SameBits(sum.out_thv, expected.out_thv));
      EXPECT_TRUE(SameBits(sum.log_sum_exp_ht, expected.log_sum_exp_ht));
    }
    PartialAttention none = unseen(second);
    MergeAttention(none, unseen(second));
    EXPECT_EQ(none.out_thv.abs().max().item<double>(), 0);
    EXPECT_TRUE(none.log_sum_exp_ht.isneginf().all().item<bool>());
  }
}

TEST(KeyBlockAttentionTest, AQueryHasItsBitsWhicheverOthersAreThere) {
  const Case of = MakeCase(kShapes[1]);
  const PartialAttention all =
      AttendKeyBlock(of.q_thk, of.k_gxk[2], of.v_gxv[2], kBlocks[2], kScale);
  const std::vector<int64_t> queries = {0, 3, 12, 13, 15, 20};
  KeyRuns runs{{0, 2, 6}, kBlocks[2].key_starts, {}};
  for (const int64_t query : queries)
    runs.visible_t.push_back(kBlocks[2].visible_t[static_cast<size_t>(query)]);
  const at::Tensor query_t = at::tensor(queries, at::kLong);
  const PartialAttention some = AttendKeyBlock(at::index_select(of.q_thk, 0, query_t), of.k_gxk[2],
                                               of.v_gxv[2], runs, kScale);
  EXPECT_TRUE(SameBits(some.out_thv, at::index_select(all.out_thv, 0, query_t)));
  EXPECT_TRUE(SameBits(some.log_sum_exp_ht, at::index_select(all.log_sum_exp_ht, 1, query_t)));
}

TEST(KeyBlockAttentionTest, BitsDoNotDependOnThreads) {
  const Case of = MakeCase(kShapes[1]);
  const int threads = at::get_num_threads();
  std::vector<at::Tensor> results[2];
  for (const int count : {1, 2}) {
    at::set_num_threads(count);
    const PartialAttention all = AttendBlocks(of, {0, 1, 2});
    const AttentionGradients block = GradientsOfBlock(of, all, 0);
    results[count - 1] = {all.out_thv, all.log_sum_exp_ht, block.grad_q_thk, block.grad_k_gxk,
                          block.grad_v_gxv};
  }
  at::set_num_threads(threads);
  for (size_t i = 0; i < results[0].size(); ++i)
    EXPECT_TRUE(SameBits(results[0][i], results[1][i])) << i;
}

TEST(KeyBlockAttentionTest, ADistantMaximumStaysFinite) {
  Case of = MakeCase(kShapes[0]);
  of.k_gxk[2] *= 1000;
  const PartialAttention all = AttendBlocks(of, {0, 1, 2});
  EXPECT_TRUE(all.out_thv.isfinite().all().item<bool>());
  for (size_t b = 0; b < kBlocks.size(); ++b)
    EXPECT_TRUE(GradientsOfBlock(of, all, b).grad_q_thk.isfinite().all().item<bool>());
}

TEST(KeyBlockAttentionTest, AcceptsNoQueriesAndNoKeys) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const auto zeros = [&](at::IntArrayRef sizes) { return NormalTensor("x", sizes).to(type); };
    const at::Tensor q_thk = zeros({2, 4, 8}), k_gxk = zeros({2, 3, 8}), v_gxv = zeros({2, 3, 5});
    const PartialAttention no_keys =
        AttendKeyBlock(q_thk, zeros({2, 0, 8}), zeros({2, 0, 5}), {{0, 2}, {0, 0}, {0, 0}}, kScale);
    EXPECT_TRUE(no_keys.log_sum_exp_ht.isneginf().all().item<bool>());
    const PartialAttention no_queries =
        AttendKeyBlock(zeros({0, 4, 8}), k_gxk, v_gxv, {{0, 0}, {0, 3}, {}}, kScale);
    EXPECT_EQ(no_queries.out_thv.sizes(), (std::vector<int64_t>{0, 4, 5}));
    const AttentionGradients gradients =
        KeyBlockGradients({zeros({0, 4, 8}), k_gxk, v_gxv, no_queries.out_thv,
                           no_queries.log_sum_exp_ht, zeros({0, 4, 5})},
                          {{0, 0}, {0, 3}, {}}, kScale);
    EXPECT_EQ(gradients.grad_k_gxk.abs().max().item<double>(), 0);
    EXPECT_EQ(gradients.grad_v_gxv.abs().max().item<double>(), 0);
  }
}

TEST(KeyBlockAttentionTest, RejectsRunsThatDoNotFit) {
  const at::Tensor q_thk = NormalTensor("q", {2, 2, 8}), x_gxk = NormalTensor("x", {2, 3, 8});
  for (const KeyRuns& runs : std::vector<KeyRuns>{{{0, 2}, {0, 2}, {1, 1}},
                                                  {{0, 1}, {0, 3}, {1, 1}},
                                                  {{0, 1, 2}, {0, 3}, {1, 1}},
                                                  {{0, 2}, {0, 3}, {1}},
                                                  {{0, 2}, {0, 3}, {1, 4}},
                                                  {{0, 2}, {0, 3}, {2, 1}},
                                                  {{0, 2}, {0, 3}, {-1, 1}}}) {
    EXPECT_THROW(AttendKeyBlock(q_thk, x_gxk, x_gxk, runs, kScale), c10::Error);
  }
}

TEST(KeyBlockAttentionTest, RejectsPartsOfOtherShapesAndTypes) {
  const auto part = [](int64_t tokens, at::ScalarType type) {
    return PartialAttention{NormalTensor("out", {tokens, 2, 8}).to(type),
                            NormalTensor("sum", {2, tokens}).to(type)};
  };
  PartialAttention sum = part(3, at::kFloat);
  EXPECT_THROW(MergeAttention(sum, part(2, at::kFloat)), c10::Error);
  EXPECT_THROW(MergeAttention(sum, part(3, at::kDouble)), c10::Error);
}

}  // namespace
}  // namespace deduce
