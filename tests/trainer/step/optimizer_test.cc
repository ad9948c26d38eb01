#include "trainer/step/optimizer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/testing/rank_group.h"

namespace deduce {
namespace {

OptimizerConfig Config() {
  OptimizerConfig config;
  config.set_weight_decay(0.1);
  return config;
}

std::vector<Parameter> Parameters() {
  std::vector<Parameter> parameters(2);
  parameters[0].names = {"matrix"};
  parameters[0].value = at::arange(kBlockElements + 13, at::kFloat).sin();
  parameters[1].names = {"norm"};
  parameters[1].value = at::arange(37, at::kFloat).cos();
  parameters[1].decay = false;
  return parameters;
}

// Values after three steps with a known gradient.
at::Tensor ValuesAfterThreeSteps(int num_ranks) {
  at::Tensor result;
  RunRanks(num_ranks, [&](Communicator& world) {
    std::vector<Parameter> parameters = Parameters();
    Layout layout;
    layout.num_ranks = layout.data_parallel = world.size();
    layout.rank = layout.data_rank = world.rank();
    const RankGroups ranks = MakeRankGroups(world, layout);
    ParameterStore store(parameters, ranks, true);
    Optimizer optimizer(store);
    FlatGroup& group = store.groups()[0];
    for (int step = 0; step < 3; ++step) {
      const at::Tensor gradient = (at::arange(group.values.numel(), at::kFloat) + step).sin();
      optimizer.Step({gradient.narrow(0, group.own_begin(), group.own_size()).clone()}, 1e-2,
                     Config());
    }
    if (world.rank() == 0) result = group.values.clone();
  });
  return result;
}

TEST(OptimizerTest, MatchesTheAlgorithmInDoublePrecision) {
  const at::Tensor values = ValuesAfterThreeSteps(1);
  const OptimizerConfig config = Config();
  double worst = 0;
  for (int64_t i = 0; i < values.numel(); ++i) {
    const bool decayed = i < kBlockElements + 13;
    double w = decayed ? std::sin(static_cast<double>(i))
                       : std::cos(static_cast<double>(i - kBlockElements - 13));
    double m = 0, v = 0;
    for (int step = 0; step < 3; ++step) {
      const double g = std::sin(static_cast<double>(i + step));
      w -= 1e-2 * (decayed ? config.weight_decay() : 0) * w;
      m = config.beta1() * m + (1 - config.beta1()) * g;
      v = config.beta2() * v + (1 - config.beta2()) * g * g;
      const double m_hat = m / (1 - std::pow(config.beta1(), step + 1));
      const double v_hat = v / (1 - std::pow(config.beta2(), step + 1));
      w -= 1e-2 * m_hat / (std::sqrt(v_hat) + config.epsilon());
    }
    worst = std::max(worst, std::abs(w - values[i].item<double>()));
  }
  // Inputs are fp32 sines of arguments up to 16,400, themselves off by up to 1e-7, and the three
  // updates of size 1e-2 divide by their own root: relative errors of 1e-5 at the zeros of the
  // sine, of 3e-2 in all.
  EXPECT_LT(worst, 1e-5);
}

TEST(OptimizerTest, ShardsHaveTheBitsOfTheWhole) {
  const at::Tensor one = ValuesAfterThreeSteps(1);
  for (const int num_ranks : {2, 3}) {
    const at::Tensor many = ValuesAfterThreeSteps(num_ranks);
    if (many.defined()) {  // under mpirun rank 0 has it
      EXPECT_TRUE(at::equal(many, one)) << num_ranks << " ranks";
    }
  }
}

}  // namespace
}  // namespace deduce
