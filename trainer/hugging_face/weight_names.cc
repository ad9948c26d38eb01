#include "trainer/hugging_face/weight_names.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace deduce {
namespace {

std::string ModulePrefix(const ModelConfig& model) {
  return absl::StrCat("model.layers.", model.num_hidden_layers(), ".");
}

}  // namespace

std::map<std::string, std::string> WeightAliases(const ModelConfig& model) {
  const std::string embedding = "model.embed_tokens.weight";
  const std::string head = model.tie_word_embeddings() ? embedding : "lm_head.weight";
  std::map<std::string, std::string> aliases;
  if (model.tie_word_embeddings()) aliases["lm_head.weight"] = embedding;
  if (model.num_nextn_predict_layers() > 0) {
    aliases[ModulePrefix(model) + "embed_tokens.weight"] = embedding;
    aliases[ModulePrefix(model) + "shared_head.head.weight"] = head;
  }
  return aliases;
}

bool IsDerivedTensor(const std::string& name) {
  return absl::EndsWith(name, ".rotary_emb.inv_freq");
}

bool IsForeignExpert(const std::string& name, const std::set<std::string>& local_names,
                     const ModelConfig& model) {
  constexpr absl::string_view kExperts = ".mlp.experts.";
  const size_t at = name.find(kExperts.data());
  if (at == std::string::npos) return false;
  const size_t begin = at + kExperts.size();
  const size_t end = name.find('.', begin);
  int64_t expert = 0;
  if (end == std::string::npos || !absl::SimpleAtoi(name.substr(begin, end - begin), &expert) ||
      expert < 0 || expert >= model.moe().n_routed_experts() ||
      name != absl::StrCat(name.substr(0, begin), expert, name.substr(end))) {
    return false;
  }
  // Some expert of each stack is here, whatever the layout.
  const auto local = local_names.lower_bound(name.substr(0, begin));
  if (local == local_names.end() || !absl::StartsWith(*local, name.substr(0, begin))) return false;
  const std::string number = local->substr(begin, local->find('.', begin) - begin);
  return local_names.count(absl::StrCat(name.substr(0, begin), number, name.substr(end))) > 0;
}

bool IsOfOtherStage(const std::string& name, const std::vector<ModelPart>& local_parts,
                    const ModelConfig& model) {
  const auto none_has = [&](const auto& has) {
    return std::none_of(local_parts.begin(), local_parts.end(), has);
  };
  const auto is_last = [](const ModelPart& part) { return part.last; };
  if (name == "model.embed_tokens.weight") {
    return none_has([](const ModelPart& part) { return part.first; });
  }
  if (name == "model.norm.weight" || name == "lm_head.weight") return none_has(is_last);
  if (IsOfPredictionModule(name, model)) {
    return model.num_nextn_predict_layers() > 0 && none_has(is_last);
  }
  constexpr absl::string_view kLayers = "model.layers.";
  const size_t end = name.find('.', kLayers.size());
  int64_t layer = 0;
  if (!absl::StartsWith(name, kLayers) || end == std::string::npos ||
      !absl::SimpleAtoi(name.substr(kLayers.size(), end - kLayers.size()), &layer)) {
    return false;
  }
  return layer >= 0 && layer < model.num_hidden_layers() && none_has([&](const ModelPart& part) {
           return layer >= part.first_layer && layer < part.first_layer + part.num_layers;
         });
}

bool IsOfPredictionModule(const std::string& name, const ModelConfig& model) {
  return absl::StartsWith(name, ModulePrefix(model));
}

}  // namespace deduce
