#include "kernels/cpu/bfloat16_product.h"

#include <ATen/Parallel.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "kernels/matmul.h"
#include "tests/kernels/oracle.h"

namespace deduce {
namespace {

// The kernel's own list, a word a capability.
bool KernelListsBfloat16() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string word; file >> word;) {
    if (word == "avx512_bf16" || word == "amx_bf16") return true;
  }
  return false;
}

TEST(Bfloat16ProductTest, KnowsWhatTheCpuHas) {
  EXPECT_EQ(MultipliesBfloat16(), KernelListsBfloat16());
}

// Matmul's product, which on CPUs with bf16 is this one, else MKL's: both keep these promises.
at::Tensor Product(const at::Tensor& a_mk, const at::Tensor& b_kn) {
  return Matmul(AsOperand(a_mk, ComputeType::kBfloat16), AsOperand(b_kn, ComputeType::kBfloat16),
                ComputeType::kBfloat16);
}

// Sizes around blocks and their ends, odd ones too, which no pair of bf16 numbers fills.
TEST(Bfloat16ProductTest, BlocksAndTheirEndsAreProducts) {
  const int64_t shapes[][3] = {{64, 1024, 64},  {65, 1025, 63}, {130, 31, 200},
                               {16, 2081, 129}, {3, 1057, 8},   {100, 7, 66}};
  for (const auto& [m, k, n] : shapes) {
    const at::Tensor a_mk = AsOperand(NormalTensor("a", {m, k}), ComputeType::kBfloat16);
    const at::Tensor b_kn = AsOperand(NormalTensor("b", {k, n}), ComputeType::kBfloat16);
    const at::Tensor expected = a_mk.to(at::kDouble).mm(b_kn.to(at::kDouble));
    const at::Tensor a_stored_km = a_mk.t().contiguous(), b_stored_nk = b_kn.t().contiguous();
    for (const at::Tensor& a : {a_mk, a_stored_km.t()}) {
      for (const at::Tensor& b : {b_kn, b_stored_nk.t()}) {
        // Sums of k products of size 1: half a unit in the last place each time, at size sqrt(k).
        ExpectNear(Matmul(a, b, ComputeType::kBfloat16), expected, 6e-8 * static_cast<double>(k),
                   "product");
      }
    }
  }
}

TEST(Bfloat16ProductTest, MatricesMayBeginAtOddPlaces) {
  const at::Tensor a_mk = AsOperand(NormalTensor("a", {20, 33}), ComputeType::kBfloat16);
  const at::Tensor b_nk = AsOperand(NormalTensor("b", {40, 34}), ComputeType::kBfloat16);
  const at::Tensor a = a_mk.narrow(1, 1, 32), b = b_nk.narrow(1, 1, 32);
  const at::Tensor expected = a.to(at::kDouble).mm(b.to(at::kDouble).t());
  ExpectNear(Matmul(a, b.t(), ComputeType::kBfloat16), expected, 2e-6, "product");
}

TEST(Bfloat16ProductTest, RowBitsDoNotDependOnRowCountOrThreads) {
  const at::Tensor x = NormalTensor("x", {150, 96}), weight_oi = NormalTensor("w", {70, 96});
  const at::Tensor all = Product(x, weight_oi.t());
  for (const int64_t rows : {16, 48, 64, 80, 144})
    EXPECT_TRUE(SameBits(Product(x.narrow(0, 0, rows), weight_oi.t()), all.narrow(0, 0, rows)));
  const int threads = at::get_num_threads();
  at::set_num_threads(2);
  EXPECT_TRUE(SameBits(Product(x, weight_oi.t()), all));
  at::set_num_threads(threads);
}

TEST(Bfloat16ProductTest, AddsToWhatIsThere) {
  const at::Tensor a_mk = NormalTensor("a", {20, 1100}), b_kn = NormalTensor("b", {1100, 9});
  const at::Tensor out = at::full({20, 9}, 3.0F);
  MatmulInto(out, AsOperand(a_mk, ComputeType::kBfloat16), AsOperand(b_kn, ComputeType::kBfloat16),
             ComputeType::kBfloat16, /*accumulate=*/true);
  ExpectNear(out, Product(a_mk, b_kn) + 3.0, 1e-5, "sum");
}

TEST(Bfloat16ProductTest, IsRefusedWhereTheCpuHasNone) {
  const at::Tensor x = AsOperand(NormalTensor("x", {1, 1}), ComputeType::kBfloat16);
  const Bfloat16Matrix one{x.const_data_ptr<at::BFloat16>(), 1, false};
  float out = 0;
  if (MultipliesBfloat16()) {
    Bfloat16Product(1, 1, 1, one, one, /*accumulate=*/false, &out, 1);
    EXPECT_GT(out, 0);
  } else {
    EXPECT_THROW(Bfloat16Product(1, 1, 1, one, one, false, &out, 1), c10::Error);
  }
}

}  // namespace
}  // namespace deduce
