#include "parallel/expert_dispatch.h"

#include <torch/csrc/autograd/custom_function.h>

#include <cstdint>

namespace deduce {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

class DispatchFunction : public torch::autograd::Function<DispatchFunction> {
 public:
  static Variable forward(AutogradContext* context, const Variable& rows,
                          const std::vector<int64_t>& send_rows,
                          const std::vector<int64_t>& recv_rows, Communicator* group) {
    context->saved_data["send_rows"] = send_rows;
    context->saved_data["recv_rows"] = recv_rows;
    context->saved_data["group"] =
        reinterpret_cast<int64_t>(group);  // saved data has no type for a borrowed pointer
    return group->AllToAll(rows.contiguous(), send_rows, recv_rows);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    auto* group = reinterpret_cast<Communicator*>(context->saved_data["group"].toInt());
    const at::Tensor gradient =
        group->AllToAll(gradients[0].contiguous(), context->saved_data["recv_rows"].toIntVector(),
                        context->saved_data["send_rows"].toIntVector());
    return {gradient, Variable(), Variable(), Variable()};
  }
};

}  // namespace

at::Tensor DispatchRows(const at::Tensor& rows, const std::vector<int64_t>& send_rows,
                        const std::vector<int64_t>& recv_rows, Communicator& group) {
  if (group.size() == 1) return rows;
  return DispatchFunction::apply(rows, send_rows, recv_rows, &group);
}

}  // namespace deduce
