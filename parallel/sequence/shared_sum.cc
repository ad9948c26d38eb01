#include "parallel/sequence/shared_sum.h"

#include <torch/csrc/autograd/custom_function.h>

namespace deduce {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

class SharedSumFunction : public torch::autograd::Function<SharedSumFunction> {
 public:
  static Variable forward(AutogradContext* context, const Variable& values, Communicator* group) {
    context->saved_data["group"] = reinterpret_cast<int64_t>(group);
    return AllReduceSum(*group, values.contiguous());
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    auto* group = reinterpret_cast<Communicator*>(context->saved_data["group"].toInt());
    return {AllReduceSum(*group, gradients[0].contiguous()), Variable()};
  }
};

}  // namespace

at::Tensor SharedSum(const at::Tensor& values, Communicator& group) {
  if (group.size() == 1) return values;
  return SharedSumFunction::apply(values, &group);
}

}  // namespace deduce
