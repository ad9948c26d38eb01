#include "trainer/hugging_face/check_shapes.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/text/strict_json.h"
#include "parallel/rank_groups.h"
#include "trainer/model/attention_gqa.h"
#include "trainer/model/model_groups.h"
#include "trainer/model/transformer.h"

namespace deduce {
namespace {

// Whether the model has matrices of more elements than all files together, which could not even be
// described. Products are of doubles, since those of the config's numbers may not fit 63 bits.
absl::Status CheckProducts(const ModelConfig& m, const WeightFiles& weights,
                           const std::string& dir) {
  double elements = 0;
  for (const auto& [name, tensor] : weights.tensors()) {
    elements +=
        static_cast<double>(tensor.size) / static_cast<double>(c10::elementSize(tensor.dtype));
  }
  const double hidden = static_cast<double>(m.hidden_size());
  const double heads = static_cast<double>(m.num_attention_heads());
  const bool mla = m.attention() == ModelConfig::MLA;
  const bool has_dense = !m.has_moe() || m.moe().first_k_dense_replace() > 0;
  const double experts =
      static_cast<double>(m.moe().n_routed_experts() + m.moe().n_shared_experts());
  const std::vector<std::pair<const char*, double>> products = {
      {"num_attention_heads", heads},
      {"head_dim", mla ? 0 : heads * static_cast<double>(GqaAttention::HeadDim(m)) * hidden},
      {"intermediate_size", has_dense ? static_cast<double>(m.intermediate_size()) * hidden : 0},
      {"moe_intermediate_size",
       experts * static_cast<double>(m.moe().moe_intermediate_size()) * hidden},
      {"q_lora_rank", static_cast<double>(m.q_lora_rank()) * hidden},
      {"kv_lora_rank", static_cast<double>(m.kv_lora_rank()) * hidden},
      {"qk_nope_head_dim", heads * static_cast<double>(m.qk_nope_head_dim())},
      {"qk_rope_head_dim", heads * static_cast<double>(m.qk_rope_head_dim())},
      {"v_head_dim", heads * static_cast<double>(m.v_head_dim())}};
  for (const auto& [name, product] : products) {
    if (product <= elements) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(dir, "/config.json: ", name, ": found a matrix of ", product,
                     " elements, expected at most the ", elements, " of the files"));
  }
  return absl::OkStatus();
}

// Each layer has tensors, and each routed layer some for every expert.
absl::Status CheckCounts(const ModelConfig& model, int64_t num_tensors, const std::string& dir) {
  const auto wrong = [&](const std::string& name, int64_t found) {
    return absl::InvalidArgumentError(absl::StrCat(dir, "/config.json: ", name, ": found ", found,
                                                   ", expected no more than the ", num_tensors,
                                                   " tensors of the files can be"));
  };
  const int64_t layers = model.num_hidden_layers();
  if (layers > num_tensors) return wrong("num_hidden_layers", layers);
  const int64_t experts = model.has_moe() ? model.moe().n_routed_experts() : 0;
  const int64_t routed = layers - model.moe().first_k_dense_replace();
  if (experts > num_tensors / std::max<int64_t>(routed, 1)) {
    return wrong("the number of routed experts", experts);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status TensorError(const std::string& path, const std::string& name, const std::string& found,
                         const std::string& expected) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": tensor ", QuotedName(name), ": found ",
                                                 found, ", expected ", expected));
}

std::string ShownTensor(const WeightFiles::Tensor& tensor) {
  return absl::StrCat(SafetensorsDtype(tensor.dtype), " ", ShapeText(tensor.shape));
}

absl::StatusOr<const WeightFiles::Tensor*> FindTensor(const WeightFiles& weights,
                                                      const std::string& dir,
                                                      const std::string& name,
                                                      const std::vector<int64_t>& shape) {
  const WeightFiles::Tensor* tensor = weights.Find(name);
  if (tensor == nullptr) {
    return TensorError(dir, name, "nothing", absl::StrCat("a tensor of shape ", ShapeText(shape)));
  }
  if (tensor->shape != shape) {
    return TensorError(tensor->path, name, ShownTensor(*tensor),
                       absl::StrCat("the shape ", ShapeText(shape)));
  }
  return tensor;
}

absl::Status CheckShapes(const ModelConfig& model, const WeightFiles& weights,
                         const std::string& dir) {
  RETURN_IF_ERROR(CheckCounts(model, static_cast<int64_t>(weights.tensors().size()), dir));
  // The sizes that most others are multiplied with first.
  RETURN_IF_ERROR(FindTensor(weights, dir, "model.embed_tokens.weight",
                             {model.vocab_size(), model.hidden_size()})
                      .status());
  RETURN_IF_ERROR(CheckProducts(model, weights, dir));
  const std::unique_ptr<Communicator> world = MakeOneMemberCommunicator();
  const RankGroups ranks = MakeRankGroups(*world, Layout{});
  ModelConfig shapes = model;
  shapes.set_compute(ModelConfig::fp32);
  shapes.set_max_position_embeddings(1);
  // On a device that has no memory.
  const std::unique_ptr<Transformer> transformer =
      Transformer::Create(shapes, /*seed=*/std::nullopt, ModelGroups(ranks), std::nullopt,
                          at::TensorOptions(at::kMeta).dtype(at::kFloat));
  for (const Parameter& parameter : transformer->parameters()) {
    std::vector<int64_t> shape = parameter.value.sizes().vec();
    if (parameter.placement == Placement::kExpertSharded) shape.erase(shape.begin());
    for (const std::string& name : parameter.names)
      RETURN_IF_ERROR(FindTensor(weights, dir, name, shape).status());
  }
  for (const Transformer::Buffer& buffer : transformer->buffers()) {
    RETURN_IF_ERROR(FindTensor(weights, dir, buffer.name, buffer.value.sizes().vec()).status());
  }
  return absl::OkStatus();
}

}  // namespace deduce
