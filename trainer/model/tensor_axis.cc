#include "trainer/model/tensor_axis.h"

#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>

#include "parallel/sequence/shared_rows.h"

namespace deduce {
namespace {

bool IsSplit(const ForwardContext& context) {
  return context.groups != nullptr && context.groups->tensor_ranks() > 1;
}

void CheckWithoutShare(const char* what, const at::Tensor& x_td) {
  TORCH_CHECK(!(at::GradMode::is_enabled() && x_td.requires_grad()), what,
              ": found gradients of tokens that every tensor rank has, expected a share of them");
}

}  // namespace

at::Tensor GatherTokens(const at::Tensor& x_td, const ForwardContext& context) {
  if (!IsSplit(context)) return x_td;
  if (context.share != nullptr) {
    return AllGatherRows(x_td, context.share->rows_of_tensor_rank, *context.groups->tensor);
  }
  CheckWithoutShare("GatherTokens", x_td);
  return x_td;
}

at::Tensor SumOverPieces(const at::Tensor& product_td, const ForwardContext& context) {
  if (!IsSplit(context)) return product_td;
  if (context.share != nullptr) {
    return ReduceScatterRows(product_td, context.share->rows_of_tensor_rank,
                             *context.groups->tensor);
  }
  CheckWithoutShare("SumOverPieces", product_td);
  return AllReduceSum(*context.groups->tensor, product_td);
}

}  // namespace deduce
