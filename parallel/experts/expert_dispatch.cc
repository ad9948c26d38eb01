#include "parallel/experts/expert_dispatch.h"

#include <torch/csrc/autograd/custom_function.h>

#include <cstdint>
#include <utility>

namespace deduce {

// The rows that the two ends of a dispatch exchange, in both directions.
struct RowDispatch::UnderWay {
  std::vector<int64_t> send_rows, recv_rows;
  Communicator* group;
  RowExchange forward = {}, backward = {};
};

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;
using UnderWay = std::shared_ptr<RowDispatch::UnderWay>;

// Autograd's saved data has no type for what is not its own.
struct SavedUnderWay : torch::CustomClassHolder {
  explicit SavedUnderWay(UnderWay under_way_in) : under_way(std::move(under_way_in)) {}
  UnderWay under_way;
};

void Save(AutogradContext* context, const UnderWay& under_way) {
  context->saved_data["under_way"] =
      c10::IValue::make_capsule(c10::make_intrusive<SavedUnderWay>(under_way));
}

RowDispatch::UnderWay& Saved(AutogradContext* context) {
  const auto capsule = context->saved_data["under_way"].toCapsule();
  return *static_cast<SavedUnderWay*>(capsule.get())->under_way;
}

// Backward runs the nodes that are ready in the reverse order of their making: FinishFunction's,
// which sends the gradients; then that of what was computed in between; then StartFunction's, which
// waits for them. The gradient between the two ends has the shape of the rows received and is not
// read.
class StartFunction : public torch::autograd::Function<StartFunction> {
 public:
  static Variable forward(AutogradContext* context, const Variable& rows,
                          const UnderWay& under_way) {
    Save(context, under_way);
    under_way->forward = under_way->group->StartAllToAll(rows.contiguous(), under_way->send_rows,
                                                         under_way->recv_rows);
    return under_way->forward.received;
  }

  static variable_list backward(AutogradContext* context, const variable_list& /*gradients*/) {
    RowDispatch::UnderWay& under_way = Saved(context);
    under_way.backward.transfer->Wait();
    return {std::move(std::exchange(under_way.backward, {}).received), Variable()};
  }
};

class FinishFunction : public torch::autograd::Function<FinishFunction> {
 public:
  static Variable forward(AutogradContext* context, const Variable& rows,
                          const UnderWay& under_way) {
    Save(context, under_way);
    std::exchange(under_way->forward, {}).transfer->Wait();
    return rows.view_as(rows);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    RowDispatch::UnderWay& under_way = Saved(context);
    under_way.backward = under_way.group->StartAllToAll(gradients[0].contiguous(),
                                                        under_way.recv_rows, under_way.send_rows);
    return {gradients[0], Variable()};
  }
};

}  // namespace

RowDispatch::RowDispatch(const at::Tensor& rows, const std::vector<int64_t>& send_rows,
                         const std::vector<int64_t>& recv_rows, Communicator& group) {
  if (group.size() == 1) {
    rows_ = rows;
    return;
  }
  under_way_ = std::make_shared<UnderWay>(UnderWay{send_rows, recv_rows, &group});
  rows_ = StartFunction::apply(rows, under_way_);
}

at::Tensor RowDispatch::Finish() {
  return under_way_ ? FinishFunction::apply(rows_, under_way_) : rows_;
}

at::Tensor DispatchRows(const at::Tensor& rows, const std::vector<int64_t>& send_rows,
                        const std::vector<int64_t>& recv_rows, Communicator& group) {
  return RowDispatch(rows, send_rows, recv_rows, group).Finish();
}

}  // namespace deduce
