#include "parallel/sequence/shared_rows.h"

#include <ATen/ops/cat.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/custom_function.h>

#include <numeric>
#include <utility>

namespace deduce {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

int64_t AllRows(const std::vector<int64_t>& rows_of_rank) {
  return std::accumulate(rows_of_rank.begin(), rows_of_rank.end(), int64_t{0});
}

void Check(const char* what, const at::Tensor& rows, int64_t expected,
           const std::vector<int64_t>& rows_of_rank, const Communicator& group) {
  TORCH_CHECK(static_cast<int>(rows_of_rank.size()) == group.size() && rows.size(0) == expected,
              what, ": found ", rows.size(0), " rows and numbers of ", rows_of_rank.size(),
              " ranks, expected ", expected, " rows and ", group.size(), " ranks");
}

at::Tensor Gather(const at::Tensor& rows, const std::vector<int64_t>& rows_of_rank,
                  Communicator& group) {
  const std::vector<int64_t> to_each(rows_of_rank.size(), rows.size(0));
  return group.AllToAll(at::cat(std::vector<at::Tensor>(rows_of_rank.size(), rows)), to_each,
                        rows_of_rank);
}

at::Tensor Reduce(const at::Tensor& rows, const std::vector<int64_t>& rows_of_rank,
                  Communicator& group) {
  const int64_t own = rows_of_rank[group.rank()];
  const std::vector<int64_t> from_each(rows_of_rank.size(), own);
  const at::Tensor received = group.AllToAll(rows.contiguous(), rows_of_rank, from_each);
  return TreeSum(received.split_with_sizes(from_each, 0));
}

// Each of the two is the other's gradient.
template <bool kGather>
class SharedRowsFunction : public torch::autograd::Function<SharedRowsFunction<kGather>> {
 public:
  static Variable forward(AutogradContext* context, const Variable& rows,
                          const std::vector<int64_t>& rows_of_rank, Communicator* group) {
    context->saved_data["rows_of_rank"] = rows_of_rank;
    context->saved_data["group"] = reinterpret_cast<int64_t>(group);
    return kGather ? Gather(rows, rows_of_rank, *group) : Reduce(rows, rows_of_rank, *group);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const std::vector<int64_t> rows_of_rank = context->saved_data["rows_of_rank"].toIntVector();
    auto* group = reinterpret_cast<Communicator*>(context->saved_data["group"].toInt());
    return {kGather ? Reduce(gradients[0], rows_of_rank, *group)
                    : Gather(gradients[0], rows_of_rank, *group),
            Variable(), Variable()};
  }
};

}  // namespace

at::Tensor AllGatherRows(const at::Tensor& rows, const std::vector<int64_t>& rows_of_rank,
                         Communicator& group) {
  Check("AllGatherRows", rows, rows_of_rank.at(group.rank()), rows_of_rank, group);
  if (group.size() == 1) return rows;
  return SharedRowsFunction<true>::apply(rows, rows_of_rank, &group);
}

at::Tensor ReduceScatterRows(const at::Tensor& rows, const std::vector<int64_t>& rows_of_rank,
                             Communicator& group) {
  Check("ReduceScatterRows", rows, AllRows(rows_of_rank), rows_of_rank, group);
  if (group.size() == 1) return rows;
  return SharedRowsFunction<false>::apply(rows, rows_of_rank, &group);
}

}  // namespace deduce
