#include "kernels/plain/row_functions.h"

#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>

#include "kernels/rms_norm.h"
#include "kernels/rotary.h"
#include "kernels/swiglu.h"
#include "tests/kernels/oracle.h"

namespace deduce {
namespace {

TEST(PlainRowFunctionsTest, NormAndActivationAgreeWithTheCpuForms) {
  ExpectMatchesFormula(
      {NormalTensor("x", {5, 13}), NormalTensor("w", {13})},
      [](const auto& in) { return RmsNorm(in[0], in[1], 1e-5); },
      [](const auto& in) { return plain::RmsNorm(in[0], in[1], 1e-5); }, 1e-5);
  ExpectMatchesFormula(
      {NormalTensor("gate", {4, 9}), NormalTensor("up", {4, 9})},
      [](const auto& in) { return SwiGlu(in[0], in[1]); },
      [](const auto& in) { return plain::SwiGlu(in[0], in[1]); }, 1e-5);
}

TEST(PlainRowFunctionsTest, RotationsOfBothPairingsAgreeWithTheCpuForm) {
  const RotaryTable table = MakeRotaryTable({.dim = 6}, 32);
  const at::Tensor positions_t = at::tensor(std::vector<int64_t>{0, 5, 31}, at::kLong);
  for (const RotaryPairing pairing : {RotaryPairing::kHalves, RotaryPairing::kInterleaved}) {
    ExpectMatchesFormula(
        {NormalTensor("x", {3, 2, 6})},
        [&](const auto& in) { return ApplyRotary(in[0], positions_t, table, pairing); },
        [&](const auto& in) {
          return plain::Rotate(in[0], at::index_select(table.cos_pk, 0, positions_t),
                               at::index_select(table.sin_pk, 0, positions_t),
                               pairing == RotaryPairing::kInterleaved);
        },
        1e-6);
  }
}

}  // namespace
}  // namespace deduce
