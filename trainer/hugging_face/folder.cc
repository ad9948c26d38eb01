#include "trainer/hugging_face/folder.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "trainer/checkpoint/checked_file.h"
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

}  // namespace

absl::StatusOr<HuggingFaceFolder> HuggingFaceFolder::Open(const std::string& dir) {
  const std::string path = absl::StrCat(dir, "/config.json");
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  HuggingFaceFolder folder;
  folder.dir = dir;
  ASSIGN_OR_RETURN(folder.model, ReadHuggingFaceConfig(text, path));
  ASSIGN_OR_RETURN(folder.weights, WeightFiles::Open(dir));
  const auto& tensors = folder.weights.tensors();
  const bool has_module = std::any_of(tensors.begin(), tensors.end(), [&](const auto& tensor) {
    return IsOfPredictionModule(tensor.first, folder.model);
  });
  if (!has_module) folder.model.set_num_nextn_predict_layers(0);
  return folder;
}

absl::StatusOr<std::map<std::string, std::string>> HuggingFaceFolder::KeptFiles() const {
  std::map<std::string, std::string> files;
  for (const char* name : kKept) {
    const std::string path = absl::StrCat(dir, "/", name);
    if (!Exists(path)) continue;
    ASSIGN_OR_RETURN(files[name], ReadFile(path));
  }
  ASSIGN_OR_RETURN(std::string config, ReadFile(absl::StrCat(dir, "/config.json")));
  OrderedJson parsed = OrderedJson::parse(config);
  if (parsed.erase("quantization_config") > 0) config = parsed.dump(2) + "\n";
  files["config.json"] = std::move(config);
  OrderedJson dtypes = OrderedJson::object();
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
