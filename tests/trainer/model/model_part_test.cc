#include "trainer/model/model_part.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "parallel/communicator/communicator.h"
#include "tests/trainer/model/tiny_models.h"

namespace deduce {
namespace {

ModelConfig Layers(int64_t layers) {
  ModelConfig config;
  config.set_num_hidden_layers(layers);
  return config;
}

std::vector<int64_t> NumbersOf(const ModelConfig& config, int stages,
                               const std::vector<int64_t>& table) {
  std::vector<int64_t> numbers;
  int64_t next = 0;
  const auto parts = SplitModel(config, stages, table);
  EXPECT_TRUE(parts.ok()) << parts.status();
  for (const ModelPart& part : *parts) {
    EXPECT_EQ(part.first_layer, next);
    EXPECT_EQ(part.first, numbers.empty());
    next += part.num_layers;
    numbers.push_back(part.num_layers);
    EXPECT_EQ(part.last, static_cast<int>(numbers.size()) == stages);
  }
  EXPECT_EQ(next, config.num_hidden_layers());
  return numbers;
}

TEST(ModelPartTest, LayersAreDealtEvenlyOrByTheTable) {
  using Numbers = std::vector<int64_t>;
  EXPECT_EQ(NumbersOf(Layers(61), 4, {}), (Numbers{16, 15, 15, 15}));
  EXPECT_EQ(NumbersOf(Layers(61), 4, {0, 30, 31, 0}), (Numbers{0, 30, 31, 0}));
  EXPECT_EQ(NumbersOf(Layers(3), 1, {}), (Numbers{3}));
}

TEST(ModelPartTest, ATableThatDoesNotFitIsNamed) {
  const auto message = [](int stages, const std::vector<int64_t>& table) {
    return std::string(SplitModel(Layers(6), stages, table).status().message());
  };
  EXPECT_EQ(message(7, {}),
            "layout.pipeline_parallel: found 7 pipeline stages, expected at most "
            "model.num_hidden_layers (6), or layout.stage_layers");
  EXPECT_EQ(message(3, {3, 3}),
            "layout.stage_layers: found 2 numbers, expected one for each of the 3 pipeline stages");
  EXPECT_EQ(message(3, {3, 0, 3}), "layout.stage_layers[1]: found 0, expected at least 1");
  EXPECT_EQ(message(2, {3, 4}),
            "layout.stage_layers: found a sum of 7, expected model.num_hidden_layers (6)");
}

TEST(ModelPartTest, PartsTogetherHaveTheWholeModelsParametersAndBits) {
  for (const ModelConfig& config : {TinyDenseModel(), TinyRoutedModel()}) {
    const auto group = MakeOneMemberCommunicator();
    const auto whole = Transformer::Create(config, 3, *group);
    std::map<std::string, at::Tensor> expected;
    for (const Parameter& parameter : whole->parameters())
      expected[parameter.names.front()] = parameter.value;
    std::set<std::string> found;
    int64_t routed_layers = 0;
    const auto parts = SplitModel(config, 2, {});
    for (const ModelPart& part : *parts) {
      const auto model = Transformer::Create(config, 3, *group, part);
      EXPECT_EQ(NumRoutedLayersBefore(config, part), routed_layers);
      routed_layers += model->expert_load_le().size(0);
      for (const Parameter& parameter : model->parameters()) {
        const std::string& name = parameter.names.front();
        EXPECT_TRUE(at::equal(parameter.value, expected.at(name))) << name;
        EXPECT_TRUE(found.insert(name).second || parameter.is_copy) << name;
      }
    }
    EXPECT_EQ(found.size(), expected.size());
    EXPECT_EQ(routed_layers, NumRoutedLayers(config));
  }
}

}  // namespace
}  // namespace deduce
