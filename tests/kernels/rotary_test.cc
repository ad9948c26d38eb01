#include "kernels/rotary.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>

#include <cmath>

#include "tests/kernels/oracle.h"

namespace deduce {
namespace {

RotaryOptions DeepSeekOptions() {
  RotaryOptions options{.dim = 64, .theta = 10000, .yarn = {}};
  options.yarn.factor = 40;
  return options;
}

at::Tensor Positions() { return at::arange(9, at::kLong).mul(37).remainder(64); }

// Turns the pairs (first, second) by the angles of the rows' positions; the result lies in halves.
at::Tensor Formula(const at::Tensor& first, const at::Tensor& second, const RotaryTable& table) {
  const at::Tensor cosine = table.cos_pk.index_select(0, Positions()).unsqueeze(1).to(at::kDouble);
  const at::Tensor sine = table.sin_pk.index_select(0, Positions()).unsqueeze(1).to(at::kDouble);
  return at::cat({first * cosine - second * sine, second * cosine + first * sine}, -1);
}

TEST(RotaryTest, ValueAndGradientMatchFormula) {
  const RotaryTable table = MakeRotaryTable({.dim = 16, .theta = 10000, .yarn = {}}, 64);
  const at::Tensor x_thk = NormalTensor("x", {9, 3, 16});
  const double bound = 5e-7;  // two products and a sum in fp32
  ExpectMatchesFormula(
      {x_thk},
      [&](const auto& in) {
        return ApplyRotary(in[0], Positions(), table, RotaryPairing::kHalves);
      },
      [&](const auto& in) { return Formula(in[0].narrow(2, 0, 8), in[0].narrow(2, 8, 8), table); },
      bound);
  ExpectMatchesFormula(
      {x_thk},
      [&](const auto& in) {
        return ApplyRotary(in[0], Positions(), table, RotaryPairing::kInterleaved);
      },
      [&](const auto& in) {
        return Formula(in[0].slice(2, 0, 16, 2), in[0].slice(2, 1, 16, 2), table);
      },
      bound);
}

TEST(RotaryTest, TableHoldsTheCosineAndSineOfPositionTimesFrequency) {
  const RotaryOptions options{.dim = 8, .theta = 100, .yarn = {}};
  const RotaryTable table = MakeRotaryTable(options, 11);
  for (int64_t i = 0; i < 4; ++i) {
    const double angle = 10 * std::pow(100.0, -2.0 * static_cast<double>(i) / 8);
    // An angle of 10 in fp32 is off by up to 1e-6.
    EXPECT_NEAR(table.cos_pk[10][i].item<double>(), std::cos(angle), 2e-6);
    EXPECT_NEAR(table.sin_pk[10][i].item<double>(), std::sin(angle), 2e-6);
  }
}

TEST(RotaryTest, YarnScalesTheFrequenciesOfDeepSeekV3) {
  const at::Tensor scaled = RotaryInverseFrequencies(DeepSeekOptions());
  const at::Tensor plain = RotaryInverseFrequencies({.dim = 64, .theta = 10000, .yarn = {}});
  const std::pair<int64_t, double> expected[] = {{0, 1},    {10, 1},     {11, 0.925}, {16, 0.55},
                                                 {22, 0.1}, {23, 0.025}, {31, 0.025}};
  for (const auto& [index, ratio] : expected) {
    EXPECT_NEAR((scaled[index] / plain[index]).item<double>(), ratio, 3e-7) << index;
  }
}

// Llama 3.1: wave lengths of up to 8192 / 4 stay, those from 8192 on are stretched by 8. Of 64
// elements at theta 500000 those are the frequencies up to the 14th (wave length 1956) and from the
// 18th (10089) on.
TEST(RotaryTest, Llama3ScalesTheFrequenciesOfLlama31) {
  RotaryOptions options{.dim = 64, .theta = 500000, .yarn = {}};
  const at::Tensor plain = RotaryInverseFrequencies(options);
  options.llama3 = {
      .factor = 8, .low_freq_factor = 1, .high_freq_factor = 4, .original_max_positions = 8192};
  const at::Tensor ratio = RotaryInverseFrequencies(options) / plain;
  for (const int64_t i : {0, 14}) EXPECT_EQ(ratio[i].item<float>(), 1) << i;
  for (const int64_t i : {18, 31}) EXPECT_EQ(ratio[i].item<float>(), 0.125) << i;
  // The 15th: wave length 2 pi 500000^(30/64) = 2948.3, so (8192/2948.3 - 1) / 3 = 0.59285 of it.
  EXPECT_NEAR(ratio[15].item<double>(), 0.59285 + 0.40715 / 8, 1e-4);
}

TEST(RotaryTest, LinearScalingDividesEveryFrequency) {
  RotaryOptions options{.dim = 8, .theta = 100, .yarn = {}};
  const at::Tensor plain = RotaryInverseFrequencies(options);
  options.linear_factor = 4;
  EXPECT_TRUE(at::equal(RotaryInverseFrequencies(options) * 4, plain));
}

TEST(RotaryTest, AGivenAttentionFactorTakesThePlaceOfTheMscales) {
  RotaryOptions options = DeepSeekOptions();
  options.yarn.attention_factor = 1.5;
  EXPECT_EQ(MakeRotaryTable(options, 1).cos_pk[0][0].item<float>(), 1.5F);
}

TEST(RotaryTest, YarnMscaleIsThePublishedFactor) {
  EXPECT_NEAR(YarnMscale(40, 1), 1.368888, 1e-6);
  EXPECT_NEAR(YarnMscale(40, 0.707), 1.260804, 1e-6);
  EXPECT_EQ(YarnMscale(1, 1), 1);
}

TEST(RotaryTest, TableCarriesTheQuotientOfTheMscales) {
  RotaryOptions options = DeepSeekOptions();
  EXPECT_EQ(MakeRotaryTable(options, 1).cos_pk[0][0].item<float>(), 1);
  options.yarn.mscale_all_dim = 0.707;
  EXPECT_NEAR(MakeRotaryTable(options, 1).cos_pk[0][0].item<double>(), 1.368888 / 1.260804, 2e-6);
}

TEST(RotaryTest, RowBitsDoNotDependOnRowCount) {
  const RotaryTable table = MakeRotaryTable({.dim = 12, .theta = 10000, .yarn = {}}, 64);
  ExpectRowBitsIndependent(NormalTensor("x", {70, 3, 12}), [&](const at::Tensor& x) {
    return ApplyRotary(x, at::empty({x.size(0)}, at::kLong).fill_(29), table,
                       RotaryPairing::kInterleaved);
  });
}

TEST(RotaryTest, RejectsPositionOutsideTheTable) {
  const RotaryTable table = MakeRotaryTable({.dim = 8, .theta = 10000, .yarn = {}}, 8);
  EXPECT_THROW(ApplyRotary(NormalTensor("x", {9, 1, 8}), at::arange(9, at::kLong), table,
                           RotaryPairing::kHalves),
               c10::Error);
}

}  // namespace
}  // namespace deduce
