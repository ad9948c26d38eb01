#include "trainer/hugging_face/weight_names.h"

#include <gtest/gtest.h>

namespace deduce {
namespace {

ModelConfig Model() {
  ModelConfig model;
  model.set_num_hidden_layers(3);
  model.set_num_nextn_predict_layers(1);
  model.mutable_moe()->set_n_routed_experts(12);
  return model;
}

TEST(WeightNamesTest, TheHeadHasASecondNameWhenItIsTied) {
  ModelConfig model = Model();
  const auto untied = WeightAliases(model);
  EXPECT_EQ(untied.count("lm_head.weight"), 0u);
  EXPECT_EQ(untied.at("model.layers.3.shared_head.head.weight"), "lm_head.weight");
  EXPECT_EQ(untied.at("model.layers.3.embed_tokens.weight"), "model.embed_tokens.weight");
  model.set_tie_word_embeddings(true);
  const auto tied = WeightAliases(model);
  EXPECT_EQ(tied.at("lm_head.weight"), "model.embed_tokens.weight");
  EXPECT_EQ(tied.at("model.layers.3.shared_head.head.weight"), "model.embed_tokens.weight");
  model.set_num_nextn_predict_layers(0);
  EXPECT_EQ(WeightAliases(model).size(), 1u);
}

TEST(WeightNamesTest, ExpertsOfOtherRanksAreKnownByTheirLayerAndNumber) {
  const std::set<std::string> local = {"model.layers.1.mlp.experts.4.up_proj.weight",
                                       "model.layers.1.mlp.experts.5.up_proj.weight",
                                       "model.layers.1.mlp.gate.weight"};
  const auto foreign = [&](const std::string& name) {
    return IsForeignExpert(name, local, Model());
  };
  EXPECT_TRUE(foreign("model.layers.1.mlp.experts.0.up_proj.weight"));
  EXPECT_TRUE(foreign("model.layers.1.mlp.experts.11.up_proj.weight"));
  EXPECT_FALSE(foreign("model.layers.1.mlp.experts.12.up_proj.weight"));
  EXPECT_FALSE(foreign("model.layers.1.mlp.experts.00.up_proj.weight"));
  EXPECT_FALSE(foreign("model.layers.1.mlp.experts.0.side_proj.weight"));
  EXPECT_FALSE(foreign("model.layers.2.mlp.experts.0.up_proj.weight"));
  EXPECT_FALSE(foreign("model.layers.1.mlp.experts."));
}

TEST(WeightNamesTest, PredictionModuleIsTheLayerAfterTheLast) {
  EXPECT_TRUE(IsOfPredictionModule("model.layers.3.enorm.weight", Model()));
  EXPECT_FALSE(IsOfPredictionModule("model.layers.30.enorm.weight", Model()));
  EXPECT_TRUE(IsDerivedTensor("model.layers.0.self_attn.rotary_emb.inv_freq"));
}

}  // namespace
}  // namespace deduce
