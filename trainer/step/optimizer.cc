#include "trainer/step/optimizer.h"

#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>

namespace deduce {

Optimizer::Optimizer(ParameterStore& store) : store_(store) {
  for (const FlatGroup& group : store.groups()) {
    for (std::vector<at::Tensor>* moments : {&first_, &second_})
      moments->push_back(at::zeros({store.owned_size(group)}, group.values.options()));
  }
}

void Optimizer::Step(const std::vector<at::Tensor>& shard_gradients, double learning_rate,
                     const OptimizerConfig& config) {
  c10::NoGradGuard no_grad;
  ++num_updates_;
  for (size_t i = 0; i < store_.groups().size(); ++i) {
    FlatGroup& group = store_.groups()[i];
    const at::Tensor step = at::scalar_tensor(static_cast<double>(num_updates_),
                                              group.values.options().dtype(at::kFloat));
    const int64_t begin = store_.owned_begin(group);
    const int64_t end = begin + store_.owned_size(group);
    const at::Tensor values = store_.owned_values(group);
    const int64_t cut = std::clamp(group.decay_end, begin, end);
    const auto update = [&](int64_t from, int64_t to, double decay) {
      if (from == to) return;
      const auto part = [&](const at::Tensor& t) {
        return std::vector<at::Tensor>{t.narrow(0, from - begin, to - from)};
      };
      at::_fused_adamw_(part(values), part(shard_gradients[i]), part(first_[i]), part(second_[i]),
                        {}, {step}, learning_rate, config.beta1(), config.beta2(), decay,
                        config.epsilon(), /*amsgrad=*/false, /*maximize=*/false);
    };
    update(begin, cut, config.weight_decay());
    update(cut, end, 0);
    store_.ShareValues(group);
  }
}

}  // namespace deduce
