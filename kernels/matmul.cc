#include "kernels/matmul.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <algorithm>

// Of the Intel MKL inside LibTorch, whose headers do not declare it: row-major C = alpha op(A)
// op(B) + beta C of bf16 operands with sums and results in fp32, on AVX512-BF16 or AMX where there
// is one, and by conversion elsewhere. ATen's own product of bf16 rounds its results to bf16.
extern "C" void cblas_gemm_bf16bf16f32(int layout, int transpose_a, int transpose_b, int m, int n,
                                       int k, float alpha, const at::BFloat16* a, int stride_a,
                                       const at::BFloat16* b, int stride_b, float beta, float* c,
                                       int stride_c);

namespace deduce {
namespace {

// How BLAS sees a matrix in row-major order.
struct Strided {
  int transpose;  // CBLAS_TRANSPOSE
  int stride;     // elements between rows of what is stored
};

Strided RowMajor(const at::Tensor& x, const char* name) {
  constexpr int kNoTranspose = 111, kTranspose = 112;
  const int64_t rows = x.size(0), columns = x.size(1);
  if ((x.stride(1) == 1 || columns == 1) && (x.stride(0) >= columns || rows == 1))
    return {kNoTranspose, static_cast<int>(std::max(x.stride(0), columns))};
  TORCH_CHECK((x.stride(0) == 1 || rows == 1) && (x.stride(1) >= rows || columns == 1),
              "Matmul: found ", name, " with strides ", x.strides(),
              ", expected rows or columns without gaps");
  return {kTranspose, static_cast<int>(std::max(x.stride(1), rows))};
}

void CheckSizes(const at::Tensor& out_mn, const at::Tensor& a_mk, const at::Tensor& b_kn,
                ComputeType type) {
  const at::ScalarType operand = type == ComputeType::kFloat32 ? at::kFloat : at::kBFloat16;
  TORCH_CHECK(a_mk.dim() == 2 && b_kn.dim() == 2 && out_mn.dim() == 2 &&
                  a_mk.size(1) == b_kn.size(0) && out_mn.size(0) == a_mk.size(0) &&
                  out_mn.size(1) == b_kn.size(1),
              "Matmul: found ", a_mk.sizes(), " times ", b_kn.sizes(), " into ", out_mn.sizes(),
              ", expected [m, k], [k, n] and [m, n]");
  TORCH_CHECK(a_mk.scalar_type() == operand && b_kn.scalar_type() == operand &&
                  out_mn.scalar_type() == at::kFloat,
              "Matmul: found types ", a_mk.scalar_type(), ", ", b_kn.scalar_type(), " into ",
              out_mn.scalar_type(), ", expected ", operand, " into ", at::kFloat);
}

}  // namespace

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
  at::Tensor out = out_mn;
  if (type == ComputeType::kFloat32) {
    if (accumulate) {
      at::addmm_out(out, out_mn, a_mk, b_kn);
    } else {
      at::mm_out(out, a_mk, b_kn);
    }
    return;
  }
  if (out_mn.numel() == 0) return;
  if (a_mk.size(1) == 0) {
    if (!accumulate) out.zero_();
    return;
  }
  constexpr int kRowMajor = 101;
  const Strided a = RowMajor(a_mk, "a"), b = RowMajor(b_kn, "b"), c = RowMajor(out_mn, "out");
  cblas_gemm_bf16bf16f32(kRowMajor, a.transpose, b.transpose, static_cast<int>(out_mn.size(0)),
                         static_cast<int>(out_mn.size(1)), static_cast<int>(a_mk.size(1)), 1.0F,
                         a_mk.const_data_ptr<at::BFloat16>(), a.stride,
                         b_kn.const_data_ptr<at::BFloat16>(), b.stride, accumulate ? 1.0F : 0.0F,
                         out.mutable_data_ptr<float>(), c.stride);
}

at::Tensor Matmul(const at::Tensor& a_mk, const at::Tensor& b_kn, ComputeType type) {
  if (type == ComputeType::kFloat32) return at::mm(a_mk, b_kn);
  at::Tensor out_mn = at::empty({a_mk.size(0), b_kn.size(1)}, a_mk.options().dtype(at::kFloat));
  MatmulInto(out_mn, a_mk, b_kn, type);
  return out_mn;
}

}  // namespace deduce
