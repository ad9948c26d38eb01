#include "kernels/matmul.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <algorithm>

#include "kernels/cpu/bfloat16_product.h"
#include "kernels/form.h"
#include "kernels/plain/matmul.h"

// From the Intel MKL inside LibTorch, whose headers do not declare it: row-major C = alpha op(A)
// op(B) + beta C of bf16 operands with sums and results in fp32, for CPUs that have to convert
// them. ATen's own product of bf16 rounds its results to bf16.
extern "C" void cblas_gemm_bf16bf16f32(int layout, int transpose_a, int transpose_b, int m, int n,
                                       int k, float alpha, const at::BFloat16* a, int stride_a,
                                       const at::BFloat16* b, int stride_b, float beta, float* c,
                                       int stride_c);

namespace deduce {
namespace {

// How a matrix lies in memory.
Bfloat16Matrix InMemory(const at::Tensor& x, const char* name) {
  const at::BFloat16* data = x.const_data_ptr<at::BFloat16>();
  const int64_t rows = x.size(0), columns = x.size(1);
  if ((x.stride(1) == 1 || columns == 1) && (x.stride(0) >= columns || rows == 1))
    return {data, std::max(x.stride(0), columns), /*transposed=*/false};
  TORCH_CHECK((x.stride(0) == 1 || rows == 1) && (x.stride(1) >= rows || columns == 1),
              "Matmul: found ", name, " with strides ", x.strides(),
              ", expected rows or columns without gaps");
  return {data, std::max(x.stride(1), rows), /*transposed=*/true};
}

void MklProduct(int64_t m, int64_t k, int64_t n, const Bfloat16Matrix& a, const Bfloat16Matrix& b,
                bool accumulate, float* out, int64_t out_stride) {
  constexpr int kRowMajor = 101, kNoTranspose = 111, kTranspose = 112;
  const auto transpose = [&](const Bfloat16Matrix& x) {
    return x.transposed ? kTranspose : kNoTranspose;
  };
  cblas_gemm_bf16bf16f32(kRowMajor, transpose(a), transpose(b), static_cast<int>(m),
                         static_cast<int>(n), static_cast<int>(k), 1.0F, a.data,
                         static_cast<int>(a.stride), b.data, static_cast<int>(b.stride),
                         accumulate ? 1.0F : 0.0F, out, static_cast<int>(out_stride));
}

void CheckSizes(const at::Tensor& out_mn, const at::Tensor& a_mk, const at::Tensor& b_kn,
                ComputeType type) {
  const at::ScalarType result = out_mn.scalar_type() == at::kDouble && type == ComputeType::kFloat32
                                    ? at::kDouble
                                    : at::kFloat;
  const at::ScalarType operand = type == ComputeType::kFloat32 ? result : at::kBFloat16;
  TORCH_CHECK(a_mk.dim() == 2 && b_kn.dim() == 2 && out_mn.dim() == 2 &&
                  a_mk.size(1) == b_kn.size(0) && out_mn.size(0) == a_mk.size(0) &&
                  out_mn.size(1) == b_kn.size(1),
              "Matmul: found ", a_mk.sizes(), " times ", b_kn.sizes(), " into ", out_mn.sizes(),
              ", expected [m, k], [k, n] and [m, n]");
  TORCH_CHECK(a_mk.scalar_type() == operand && b_kn.scalar_type() == operand &&
                  out_mn.scalar_type() == result,
              "Matmul: found types ", a_mk.scalar_type(), ", ", b_kn.scalar_type(), " into ",
              out_mn.scalar_type(), ", expected ", operand, " into ", result);
}

}  // namespace

bool GainsFromBfloat16(const at::Device& device) { return device.is_cpu() && MultipliesBfloat16(); }

at::Tensor AsOperand(const at::Tensor& x, ComputeType type) {
  return type == ComputeType::kFloat32 ? x : x.detach().to(at::kBFloat16);
}

bool IsWeight(const at::Tensor& weight, ComputeType type) {
  return weight.scalar_type() == at::kFloat ||
         (weight.scalar_type() == at::kBFloat16 && type == ComputeType::kBfloat16);
}

void MatmulInto(const at::Tensor& out_mn, const at::Tensor& a_mk, const at::Tensor& b_kn,
                ComputeType type, bool accumulate) {
  CheckSizes(out_mn, a_mk, b_kn, type);
  if (type == ComputeType::kFloat32 || !HasCpuForm(out_mn))
    return plain::MatmulInto(out_mn, a_mk, b_kn, accumulate);
  at::Tensor out = out_mn;
  if (out_mn.numel() == 0) return;
  if (a_mk.size(1) == 0) {
    if (!accumulate) out.zero_();
    return;
  }
  TORCH_CHECK(out_mn.is_contiguous(), "Matmul: found out with strides ", out_mn.strides(),
              ", expected contiguous rows");
  (MultipliesBfloat16() ? Bfloat16Product : MklProduct)(
      out_mn.size(0), a_mk.size(1), out_mn.size(1), InMemory(a_mk, "a"), InMemory(b_kn, "b"),
      accumulate, out.mutable_data_ptr<float>(), out_mn.size(1));
}

at::Tensor Matmul(const at::Tensor& a_mk, const at::Tensor& b_kn, ComputeType type) {
  if (type == ComputeType::kFloat32) return at::mm(a_mk, b_kn);
  at::Tensor out_mn = at::empty({a_mk.size(0), b_kn.size(1)}, a_mk.options().dtype(at::kFloat));
  MatmulInto(out_mn, a_mk, b_kn, type);
  return out_mn;
}

}  // namespace deduce
