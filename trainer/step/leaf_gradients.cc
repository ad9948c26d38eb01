#include "trainer/step/leaf_gradients.h"

#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <memory>
#include <thread>
#include <utility>

namespace deduce {
namespace {

// Calls on_final after autograd has added up a leaf's gradient.
class FinalHook : public torch::autograd::PostAccumulateGradHook {
 public:
  FinalHook(std::function<void()> on_final, std::thread::id thread)
      : on_final_(std::move(on_final)), thread_(thread) {}

  void operator()(const torch::autograd::Variable& /*leaf*/) override {
    if (std::this_thread::get_id() == thread_) on_final_();
  }

 private:
  const std::function<void()> on_final_;
  const std::thread::id thread_;
};

}  // namespace

void PlaceGradients(FlatGroup& group, int source, const std::function<at::Tensor()>& flat,
                    GradientPlaces& places) {
  int64_t begin = 0;
  for (Parameter* parameter : group.parameters) {
    const int64_t count = parameter->forward_value().numel();
    places.Add(parameter->leaves[source], [=] { return flat().narrow(0, begin, count); });
    begin += count;
  }
}

ElementRun TakeGradient(FlatGroup& group, size_t parameter, int source, at::Tensor& flat) {
  const c10::NoGradGuard no_grad;
  ElementRun run;
  for (size_t i = 0; i <= parameter; ++i) {
    run.begin = run.end;
    run.end += group.parameters[i]->forward_value().numel();
  }
  at::Tensor into = flat.narrow(0, run.begin, run.end - run.begin);
  at::Tensor& gradient = group.parameters[parameter]->leaves[source].mutable_grad();
  if (gradient.defined()) {
    const at::Tensor computed = gradient.reshape({-1});
    const bool is_there =
        computed.is_alias_of(into) && computed.storage_offset() == into.storage_offset();
    if (!is_there) into.copy_(computed);
    gradient.reset();
  } else {
    into.zero_();
  }
  return run;
}

void TakeGradients(FlatGroup& group, int source, at::Tensor& flat) {
  for (size_t i = 0; i < group.parameters.size(); ++i) TakeGradient(group, i, source, flat);
}

FinalGradients::FinalGradients(FlatGroup& group, int source,
                               const std::function<void(size_t parameter)>& on_final) {
  for (size_t i = 0; i < group.parameters.size(); ++i) {
    leaves_.push_back(group.parameters[i]->leaves[source]);
    torch::autograd::impl::set_post_acc_grad_hooks(
        leaves_.back(),
        std::make_unique<FinalHook>([on_final, i] { on_final(i); }, std::this_thread::get_id()));
  }
}

FinalGradients::~FinalGradients() {
  for (const at::Tensor& leaf : leaves_)
    torch::autograd::impl::set_post_acc_grad_hooks(leaf, nullptr);
}

}  // namespace deduce
