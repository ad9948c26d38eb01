#include "trainer/hugging_face/folder.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "configs/text_file.h"
#include "data/text/strict_json.h"
#include "trainer/hugging_face/check_shapes.h"
#include "trainer/hugging_face/model_config.h"
#include "trainer/hugging_face/weight_codec.h"
#include "trainer/hugging_face/weight_names.h"

namespace deduce {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr const char* kKept[] = {"added_tokens.json",
                                 "chat_template.jinja",
                                 "chat_template.json",
                                 "generation_config.json",
                                 "merges.txt",
                                 "special_tokens_map.json",
                                 "tokenizer.json",
                                 "tokenizer.model",
                                 "tokenizer_config.json",
                                 "vocab.json"};

bool Exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

// fp8 codes are of no use without their scales, which training changes; bf16 holds each of them.
at::ScalarType ExportDtype(at::ScalarType source) {
  return source == at::kFloat8_e4m3fn ? at::kBFloat16 : source;
}

absl::StatusOr<ModelConfig> ReadConfig(const std::string& dir, std::optional<int64_t> longest) {
  const std::string path = absl::StrCat(dir, "/config.json");
  ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  return ReadHuggingFaceConfig(text, path, longest);
}

}  // namespace

absl::StatusOr<ModelConfig> ReadHuggingFaceModel(const std::string& dir,
                                                 std::optional<int64_t> longest) {
  if (!WeightFiles::AreIn(dir)) return ReadConfig(dir, longest);
  ASSIGN_OR_RETURN(HuggingFaceFolder folder, HuggingFaceFolder::Open(dir, longest));
  return std::move(folder.model);
}

absl::StatusOr<HuggingFaceFolder> HuggingFaceFolder::Open(const std::string& dir,
                                                          std::optional<int64_t> longest) {
  HuggingFaceFolder folder;
  folder.dir = dir;
  ASSIGN_OR_RETURN(folder.model, ReadConfig(dir, longest));
  ASSIGN_OR_RETURN(folder.weights, WeightFiles::Open(dir));
  const auto& tensors = folder.weights.tensors();
  const bool has_module = std::any_of(tensors.begin(), tensors.end(), [&](const auto& tensor) {
    return IsOfPredictionModule(tensor.first, folder.model);
  });
  if (!has_module) folder.model.set_num_nextn_predict_layers(0);
  RETURN_IF_ERROR(CheckShapes(folder.model, folder.weights, dir));
  return folder;
}

absl::StatusOr<std::map<std::string, std::string>> HuggingFaceFolder::KeptFiles() const {
  std::map<std::string, std::string> files;
  for (const char* name : kKept) {
    const std::string path = absl::StrCat(dir, "/", name);
    if (!Exists(path)) continue;
    ASSIGN_OR_RETURN(files[name], ReadTextFile(path));
  }
  ASSIGN_OR_RETURN(std::string config, ReadTextFile(absl::StrCat(dir, "/config.json")));
  ASSIGN_OR_RETURN(OrderedJson parsed,
                   ParseJson<OrderedJson>(config, dir + "/config.json", "a JSON object"));
  if (parsed.erase("quantization_config") > 0) config = parsed.dump(2) + "\n";
  files["config.json"] = std::move(config);
  nlohmann::json dtypes = nlohmann::json::object();  // by name, as the tensors are
  for (const auto& [name, tensor] : weights.tensors()) {
    const bool scales = name.ends_with(kScaleSuffix);
    if (!scales && IsWeightDtype(tensor.dtype) && !IsDerivedTensor(name))
      dtypes[name] = SafetensorsDtype(ExportDtype(tensor.dtype));
  }
  files[kSourceDtypes] = dtypes.dump(0) + "\n";
  return files;
}

bool IsHuggingFaceFolder(const std::string& dir) {
  return Exists(absl::StrCat(dir, "/config.json")) && !Exists(absl::StrCat(dir, "/manifest.json"));
}

}  // namespace deduce
