#include "trainer/model/parameter.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/full_like.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "tests/testing/rank_group.h"
#include "tests/testing/same_bits.h"
#include "tests/trainer/model/tiny_models.h"

namespace deduce {
namespace {

std::map<std::string, at::Tensor> LogicalTensors(Transformer& model) {
  std::map<std::string, at::Tensor> tensors;
  for (const Parameter& parameter : model.parameters()) {
    for (size_t i = 0; i < parameter.names.size(); ++i) {
      tensors[parameter.names[i]] = parameter.placement == Placement::kExpertSharded
                                        ? parameter.value[static_cast<int64_t>(i)]
                                        : parameter.value;
    }
  }
  return tensors;
}

TEST(ParameterTest, InitialWeightsDoNotDependOnTheLayout) {
  RunRanks(4, [](Communicator& group) {
    const auto one = MakeOneMemberCommunicator();
    const auto whole_model = Transformer::Create(TinyRoutedModel(), 9, *one);
    const auto split_model = Transformer::Create(TinyRoutedModel(), 9, group);
    const auto whole = LogicalTensors(*whole_model);
    const auto split = LogicalTensors(*split_model);
    EXPECT_EQ(split.count("model.layers.1.mlp.experts." + std::to_string(2 * group.rank()) +
                          ".up_proj.weight"),
              1u);
    for (const auto& [name, value] : split) EXPECT_TRUE(at::equal(value, whole.at(name))) << name;
  });
}

ModelGroups TensorGroup(Communicator& experts, Communicator& tensor) {
  ModelGroups groups(experts);
  groups.tensor = &tensor;
  return groups;
}

// The rank's piece of a whole tensor.
at::Tensor PieceOf(const at::Tensor& whole, const Parameter& parameter) {
  const int64_t dimension = parameter.split == SplitBy::kColumns ? 1 : 0;
  const int64_t each = whole.size(dimension) / parameter.num_pieces;
  return whole.narrow(dimension, parameter.piece * each, each);
}

TEST(ParameterTest, InitialPiecesAreCutFromTheWhole) {
  RunRanks(2, [](Communicator& group) {
    const auto one = MakeOneMemberCommunicator();
    for (const ModelConfig& config : {TinyDenseModel(), TinyRoutedModel()}) {
      const auto whole_model = Transformer::Create(config, 9, *one);
      const auto model = Transformer::Create(config, 9, TensorGroup(*one, group));
      const auto whole = LogicalTensors(*whole_model);
      for (const Parameter& parameter : model->parameters()) {
        if (parameter.placement != Placement::kPiece) continue;
        EXPECT_EQ(parameter.piece, group.rank());
        EXPECT_TRUE(parameter.value.is_contiguous());
        EXPECT_TRUE(SameBits(parameter.value, PieceOf(whole.at(parameter.names[0]), parameter)))
            << parameter.names[0];
      }
    }
  });
}

TEST(ParameterTest, AttentionAndDenseFeedForwardAreSplitAndNothingElse) {
  ModelConfig gqa = TinyDenseModel();
  gqa.set_qkv_bias(true);
  gqa.set_o_bias(true);
  gqa.set_mlp_bias(true);
  gqa.set_qk_norm(true);
  ModelConfig direct = TinyRoutedModel();
  direct.clear_q_lora_rank();
  const std::set<std::string> rows = {"q_proj.weight",   "k_proj.weight",    "v_proj.weight",
                                      "q_proj.bias",     "k_proj.bias",      "v_proj.bias",
                                      "q_b_proj.weight", "kv_b_proj.weight", "gate_proj.weight",
                                      "gate_proj.bias",  "up_proj.weight",   "up_proj.bias"};
  const std::set<std::string> columns = {"o_proj.weight", "down_proj.weight"};
  RunRanks(2, [&](Communicator& group) {
    const auto one = MakeOneMemberCommunicator();
    for (const ModelConfig& config : {gqa, direct, TinyRoutedModel()}) {
      const auto model = Transformer::Create(config, 9, TensorGroup(*one, group));
      for (const Parameter& parameter : model->parameters()) {
        const std::string& name = parameter.names[0];
        const size_t last = name.rfind('.');
        const std::string kind = name.substr(name.rfind('.', last - 1) + 1);
        const bool is_expert = name.find("expert") != std::string::npos;
        const SplitBy expected = is_expert                 ? SplitBy::kNone
                                 : rows.count(kind) > 0    ? SplitBy::kRows
                                 : columns.count(kind) > 0 ? SplitBy::kColumns
                                                           : SplitBy::kNone;
        EXPECT_EQ(parameter.split, expected) << name;
        EXPECT_EQ(parameter.placement == Placement::kPiece, expected != SplitBy::kNone) << name;
      }
    }
  });
}

TEST(ParameterTest, ThePieceOfOneRankIsTheWhole) {
  const auto group = MakeOneMemberCommunicator();
  const auto model = Transformer::Create(TinyDenseModel(), 9, TensorGroup(*group, *group));
  for (const Parameter& parameter : model->parameters())
    EXPECT_EQ(parameter.placement, Placement::kReplicated) << parameter.names[0];
}

TEST(ParameterTest, PiecesThatDoNotDivideThrow) {
  std::vector<Parameter> parameters;
  ParameterFactory factory(3, 0.5, 0, 1, parameters, ComputeType::kFloat32, at::kFloat,
                           /*tensor_rank=*/2,
                           /*tensor_ranks=*/3);
  EXPECT_THROW(factory.Matrix("m", 4, 6, SplitBy::kRows), c10::Error);
  EXPECT_THROW(factory.Matrix("m", 6, 4, SplitBy::kColumns), c10::Error);
  EXPECT_THROW(factory.Bias("b", 4, SplitBy::kRows), c10::Error);
  EXPECT_THROW(factory.Bias("b", 6, SplitBy::kColumns), c10::Error);
  factory.Bias("b", 6, SplitBy::kRows);
  EXPECT_EQ(parameters[0].value.numel(), 2);
}

TEST(ParameterTest, InitialWeightsDependOnTheSeedAndTheName) {
  const auto group = MakeOneMemberCommunicator();
  const auto model = Transformer::Create(TinyRoutedModel(), 9, *group);
  const auto other = Transformer::Create(TinyRoutedModel(), 10, *group);
  const auto weights = LogicalTensors(*model);
  EXPECT_FALSE(
      at::equal(weights.at("lm_head.weight"), LogicalTensors(*other).at("lm_head.weight")));
  EXPECT_FALSE(at::equal(weights.at("lm_head.weight"), weights.at("model.embed_tokens.weight")));
  EXPECT_FALSE(at::equal(weights.at("model.layers.1.mlp.experts.0.up_proj.weight"),
                         weights.at("model.layers.1.mlp.experts.1.up_proj.weight")));
}

TEST(ParameterTest, NamesAreThoseOfDeepSeekFiles) {
  const auto group = MakeOneMemberCommunicator();
  const auto model = Transformer::Create(TinyRoutedModel(), 1, *group);
  const auto tensors = LogicalTensors(*model);
  const std::map<std::string, std::vector<int64_t>> expected = {
      {"model.embed_tokens.weight", {37, 24}},
      {"lm_head.weight", {37, 24}},
      {"model.norm.weight", {24}},
      {"model.layers.0.mlp.gate_proj.weight", {40, 24}},
      {"model.layers.0.self_attn.q_a_proj.weight", {12, 24}},
      {"model.layers.0.self_attn.q_a_layernorm.weight", {12}},
      {"model.layers.0.self_attn.q_b_proj.weight", {20, 12}},
      {"model.layers.0.self_attn.kv_a_proj_with_mqa.weight", {14, 24}},
      {"model.layers.0.self_attn.kv_a_layernorm.weight", {10}},
      {"model.layers.0.self_attn.kv_b_proj.weight", {26, 10}},
      {"model.layers.0.self_attn.o_proj.weight", {24, 14}},
      {"model.layers.1.mlp.gate.weight", {8, 24}},
      {"model.layers.1.mlp.experts.7.down_proj.weight", {24, 16}},
      {"model.layers.1.mlp.shared_experts.up_proj.weight", {32, 24}},
      {"model.layers.3.enorm.weight", {24}},
      {"model.layers.3.hnorm.weight", {24}},
      {"model.layers.3.eh_proj.weight", {24, 48}},
      {"model.layers.3.shared_head.norm.weight", {24}},
      {"model.layers.3.input_layernorm.weight", {24}},
      {"model.layers.3.post_attention_layernorm.weight", {24}},
      {"model.layers.3.mlp.experts.0.gate_proj.weight", {16, 24}}};
  for (const auto& [name, shape] : expected) {
    ASSERT_EQ(tensors.count(name), 1u) << name;
    EXPECT_EQ(tensors.at(name).sizes(), at::IntArrayRef(shape)) << name;
  }
  for (const auto& [name, value] : tensors) {
    EXPECT_EQ(value.dim() == 1, name.find("norm") != std::string::npos) << name;
  }
}

TEST(ParameterTest, OnlyNormsEscapeWeightDecay) {
  const auto group = MakeOneMemberCommunicator();
  for (const ModelConfig& config : {TinyDenseModel(), TinyRoutedModel()}) {
    const auto model = Transformer::Create(config, 1, *group);
    for (const Parameter& parameter : model->parameters()) {
      EXPECT_EQ(parameter.decay, parameter.value.dim() > 1) << parameter.names[0];
    }
  }
}

TEST(ParameterTest, RebindMovesContentsAndMakesAliasingLeaves) {
  std::vector<Parameter> parameters;
  ParameterFactory factory(3, 0.5, 1, 2, parameters);
  const ParameterRef ref = factory.ExpertStack("e.", ".w", 4, 3, 2);
  const at::Tensor before = parameters[0].value.clone();
  at::Tensor storage = at::empty({20}, at::kFloat);
  parameters[0].Rebind(storage.narrow(0, 4, 12), 2);
  EXPECT_TRUE(at::equal(parameters[0].value, before));
  EXPECT_TRUE(at::equal(storage.narrow(0, 4, 12), before.view({12})));
  EXPECT_EQ(parameters[0].names, (std::vector<std::string>{"e.2.w", "e.3.w"}));
  for (size_t source = 0; source < 2; ++source) {
    EXPECT_TRUE(ref.weight(source).is_leaf() && ref.weight(source).requires_grad());
    EXPECT_EQ(ref.weight(source).const_data_ptr(), parameters[0].value.const_data_ptr());
  }
  EXPECT_THROW(parameters[0].Rebind(storage, 2), c10::Error);
}

TEST(ParameterTest, ExpertsThatDoNotDivideThrow) {
  std::vector<Parameter> parameters;
  ParameterFactory factory(3, 0.5, 0, 3, parameters);
  EXPECT_THROW(factory.ExpertStack("e.", ".w", 4, 3, 2), c10::Error);
}

TEST(ParameterTest, WithoutASeedMatricesAreZeroAndNormsOne) {
  const auto group = MakeOneMemberCommunicator();
  const auto model = Transformer::Create(TinyRoutedModel(), std::nullopt, *group);
  for (const Parameter& parameter : model->parameters()) {
    const bool norm = parameter.names[0].ends_with("norm.weight");
    EXPECT_TRUE(at::equal(parameter.value, at::full_like(parameter.value, norm ? 1 : 0)))
        << parameter.names[0];
  }
}

TEST(RoundedWeightsTest, AreReadWithoutGradientsAndRefusedWithThem) {
  std::vector<Parameter> parameters;
  ParameterFactory factory(3, 0.5, 0, 1, parameters, ComputeType::kBfloat16);
  const ParameterRef weight = factory.Matrix("w", 4, 6), norm = factory.Norm("n", 6);
  {
    const RoundedWeights rounded(parameters);
    const at::NoGradGuard no_grad;
    EXPECT_TRUE(SameBits(weight.weight(), parameters[0].value.to(at::kBFloat16)));
    EXPECT_EQ(norm.leaf().scalar_type(), at::kFloat);
    const at::AutoGradMode with_gradients(true);
    EXPECT_THROW(weight.weight(), c10::Error);
  }
  EXPECT_TRUE(weight.weight().requires_grad());
}

}  // namespace
}  // namespace deduce
