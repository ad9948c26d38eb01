#include "kernels/plain/attention.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/zeros_like.h>

#include "kernels/causal_attention.h"
#include "kernels/key_block_attention.h"
#include "tests/kernels/oracle.h"

namespace deduce {
namespace {

constexpr double kScale = 0.3;
// Scores up to 10 with 1e-6 relative error enter an exponential.
constexpr double kBound = 2e-5;

// The kernel in fp32 on the CPU and the plain form, of which fp64 tensors are, agree.
TEST(PlainAttentionTest, CausalAttentionAndItsGradientsAgreeWithTheCpuForm) {
  const auto attend = [](const auto& in) {
    return CausalAttention(in[0], in[1], in[2], {0, 3, 3, 11}, kScale);
  };
  ExpectMatchesFormula(
      {NormalTensor("q", {11, 4, 8}), NormalTensor("k", {11, 2, 8}), NormalTensor("v", {11, 2, 5})},
      attend, attend, kBound);
}

// Two queries of one sequence, of which the first sees nothing of the second block.
TEST(PlainAttentionTest, MergeAgreesWithTheCpuForm) {
  const at::Tensor q_thk = NormalTensor("q", {2, 4, 8});
  const KeyRuns runs[] = {{{0, 2}, {0, 3}, {1, 3}}, {{0, 2}, {0, 5}, {0, 4}}};
  const auto merged = [&](at::ScalarType type, const auto& attend, const auto& merge) {
    PartialAttention sum;
    for (const KeyRuns& run : runs) {
      const int64_t keys = run.key_starts.back();
      const auto rows = [&](const char* name, int64_t width) {
        return NormalTensor(std::string(name) + std::to_string(keys), {2, keys, width}).to(type);
      };
      PartialAttention part = attend(q_thk.to(type), rows("k", 8), rows("v", 5), run, kScale);
      if (sum.out_thv.defined()) {
        merge(sum, part);
      } else {
        sum = std::move(part);
      }
    }
    return sum;
  };
  const PartialAttention found = merged(at::kFloat, AttendKeyBlock, MergeAttention);
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const PartialAttention plain = merged(type, plain::AttendKeyBlock, plain::MergeAttention);
    ExpectNear(found.out_thv, plain.out_thv, kBound, "result");
    ExpectNear(found.log_sum_exp_ht, plain.log_sum_exp_ht, kBound, "logarithms");
  }
}

// More rows than the plain form takes at a time.
TEST(PlainAttentionTest, CachedAttentionAgreesWithTheCpuForm) {
  at::Tensor k_spgk = NormalTensor("k", {3, 7, 2, 8}), v_spgv = NormalTensor("v", {3, 7, 2, 5});
  std::vector<int64_t> slots, positions;
  for (int64_t i = 0; i < 70; ++i) {
    slots.push_back(i % 3);
    positions.push_back(i % 7);
  }
  const at::Tensor q_thk = NormalTensor("q", {70, 4, 8});
  ExpectNear(CachedAttention(q_thk, k_spgk, v_spgv, slots, positions, kScale),
             plain::CachedAttention(q_thk.to(at::kDouble), k_spgk.to(at::kDouble),
                                    v_spgv.to(at::kDouble), slots, positions, kScale),
             kBound, "cached");
  const at::Tensor none = plain::CachedAttention(q_thk.narrow(0, 0, 0), k_spgk, v_spgv, {}, {}, 1);
  EXPECT_EQ(none.sizes(), at::IntArrayRef({0, 4, 5}));
}

TEST(PlainAttentionTest, RowsAreWrittenToTheCacheAsByTheCpuForm) {
  const at::Tensor rows_tgk = NormalTensor("rows", {2, 2, 3});
  at::Tensor found = at::zeros_like(NormalTensor("c", {2, 4, 2, 3})), plain = found.clone();
  WriteCacheRows(found, rows_tgk, {1, 0}, {3, 2});
  plain::WriteCacheRows(plain, rows_tgk, {1, 0}, {3, 2});
  EXPECT_TRUE(SameBits(found, plain));
  EXPECT_TRUE(SameBits(found[1][3], rows_tgk[0]));
}

}  // namespace
}  // namespace deduce
