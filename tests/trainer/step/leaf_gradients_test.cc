#include "trainer/step/leaf_gradients.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <memory>
#include <vector>

#include "tests/trainer/flat_parameters.h"

namespace deduce {
namespace {

// A chain of two products and a sum, whose gradients come from its end: "norm" is added, after
// "big" and "small".
struct Chain {
  Chain()
      : world(MakeOneMemberCommunicator()),
        ranks(DataParallelRanks(*world)),
        parameters(Parameters()),
        groups(MakeFlatGroups(parameters, ranks)),
        group(groups[0]) {}

  const at::Tensor& Leaf(const std::string& name) const {
    for (const Parameter* parameter : group.parameters) {
      if (parameter->names[0] == name) return parameter->leaves[0];
    }
    TORCH_CHECK(false, "no parameter ", name);
  }
  at::Tensor Loss() const {
    const at::Tensor first = (Leaf("big") * 2).sum();
    return (Leaf("small") * first).sum() + Leaf("norm").sum();
  }

  std::unique_ptr<Communicator> world;
  RankGroups ranks;
  std::vector<Parameter> parameters;
  std::vector<FlatGroup> groups;
  FlatGroup& group;
};

TEST(LeafGradientsTest, GradientsAreTakenToTheirPlacesAndCleared) {
  Chain chain;
  at::Tensor flat = at::full({chain.group.gradient_size()}, 7.0);
  torch::autograd::backward({chain.Leaf("norm").sum()}, {});
  EXPECT_TRUE(at::equal(chain.Leaf("norm").grad(), at::ones({7})));
  TakeGradients(chain.group, 0, flat);
  const int64_t cut = flat.numel() - 7;
  EXPECT_TRUE(at::equal(flat.narrow(0, cut, 7), at::ones({7})));
  EXPECT_TRUE(flat.narrow(0, 0, cut).eq(0).all().item<bool>()) << "leaves without gradient";
  EXPECT_FALSE(chain.Leaf("norm").grad().defined());
}

TEST(LeafGradientsTest, OneGradientSaysWhereItIs) {
  Chain chain;
  at::Tensor flat = at::full({chain.group.gradient_size()}, 7.0);
  torch::autograd::backward({chain.Leaf("small").sum()}, {});
  const ElementRun run = TakeGradient(chain.group, 1, 0, flat);
  EXPECT_EQ(run.begin, chain.group.tensors[1].begin);
  EXPECT_EQ(run.end, run.begin + 100);
  EXPECT_EQ(flat.sum().item<float>(), 100 + 7.0f * static_cast<float>(flat.numel() - 100));
}

TEST(LeafGradientsTest, EveryFinalGradientIsReportedOnceWhileBackwardRuns) {
  Chain chain;
  std::vector<std::string> order;
  {
    const FinalGradients hooks(chain.group, 0, [&](size_t parameter) {
      EXPECT_TRUE(chain.group.parameters[parameter]->leaves[0].grad().defined());
      order.push_back(chain.group.parameters[parameter]->names[0]);
    });
    torch::autograd::backward({chain.Loss()}, {});
  }
  ASSERT_EQ(order.size(), 3u);
  EXPECT_EQ(order.back(), "big") << "the start of the chain";
  for (const char* name : {"big", "small", "norm"}) {
    EXPECT_EQ(std::count(order.begin(), order.end(), name), 1) << name;
  }
  torch::autograd::backward({chain.Loss()}, {});
  EXPECT_EQ(order.size(), 3u) << "after the hooks' life";
}

}  // namespace
}  // namespace deduce
