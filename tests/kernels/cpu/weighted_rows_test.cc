#include "kernels/cpu/weighted_rows.h"

#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/kernels/oracle.h"

namespace deduce {
namespace {

// Every sum is a chain of fused steps in the order of rows, which leaves no rounding open.
TEST(WeightedRowsTest, EverySumHasTheBitsOfAChainOfFusedSteps) {
  for (const int64_t width : {1, 7, 8, 24, 33}) {
    for (const int64_t targets : {1, 3, 4, 9}) {
      for (const int64_t rows : {0, 1, 17}) {
        const at::Tensor row_nd = NormalTensor("rows", {rows, width});
        const at::Tensor weight_nt = NormalTensor("weights", {rows, targets});
        const at::Tensor sum_td = NormalTensor("targets", {targets, width});
        std::vector<float> expected(sum_td.const_data_ptr<float>(),
                                    sum_td.const_data_ptr<float>() + targets * width);
        const float* row = row_nd.const_data_ptr<float>();
        const float* weight = weight_nt.const_data_ptr<float>();
        for (int64_t i = 0; i < targets * width; ++i) {
          for (int64_t n = 0; n < rows; ++n) {
            expected[i] =
                std::fma(weight[n * targets + i / width], row[n * width + i % width], expected[i]);
          }
        }
        AddWeightedRows({weight, 1, targets}, row, width, rows, sum_td.data_ptr<float>(), width,
                        targets, width);
        EXPECT_TRUE(SameBits(sum_td, at::tensor(expected).view({targets, width})))
            << width << " wide, " << targets << " targets, " << rows << " rows";
      }
    }
  }
}

}  // namespace
}  // namespace deduce
