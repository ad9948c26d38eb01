#include "kernels/plain/matmul.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mm.h>

namespace deduce::plain {

void MatmulInto(const at::Tensor& out_mn, const at::Tensor& a_mk, const at::Tensor& b_kn,
                bool accumulate) {
  at::Tensor out = out_mn;
  const at::Tensor a = a_mk.to(out.scalar_type()), b = b_kn.to(out.scalar_type());
  if (accumulate) {
    at::addmm_out(out, out_mn, a, b);
  } else {
    at::mm_out(out, a, b);
  }
}

at::Tensor GroupedMatmul(const at::Tensor& x_ni, const at::Tensor& weight_eoi,
                         const std::vector<int64_t>& rows_per_expert) {
  const std::vector<at::Tensor> rows = x_ni.split_with_sizes(rows_per_expert, 0);
  std::vector<at::Tensor> products;
  for (size_t e = 0; e < rows.size(); ++e)
    products.push_back(at::matmul(rows[e], weight_eoi[static_cast<int64_t>(e)].t()));
  return at::cat(products);
}

}  // namespace deduce::plain
