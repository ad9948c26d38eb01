// A Hugging Face folder: config.json, safetensors files, and what lies beside them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "configs/model.pb.h"
#include "trainer/hugging_face/weight_files.h"

namespace deduce {

// Name of the file that says, in a checkpoint, in which type each tensor came from its folder: a
// JSON object, NAME: DTYPE.
inline constexpr char kSourceDtypes[] = "source_dtypes.json";

struct HuggingFaceFolder {
  std::string dir;
  // num_nextn_predict_layers is 0 if the files hold no prediction module, which config.json may
  // mention all the same.
  ModelConfig model;
  WeightFiles weights;

  // Opens and checks everything but the values: each tensor of the model is there in its shape,
  // which is found out before any memory is taken for it. longest: as ReadHuggingFaceConfig has it.
  // Errors: those of ReadHuggingFaceConfig, WeightFiles::Open and CheckShapes.
  static absl::StatusOr<HuggingFaceFolder> Open(const std::string& dir,
                                                std::optional<int64_t> longest = std::nullopt);

  // The files that a checkpoint keeps so that an export gives the folder back: config.json (without
  // the quantization, as weights are exported in bf16 then), generation and tokenizer files, and
  // kSourceDtypes. By name; errors of reading.
  absl::StatusOr<std::map<std::string, std::string>> KeptFiles() const;
};

// The model of a folder's config.json, for whoever needs no weights: where there are some, they are
// opened and checked too. longest and errors: as HuggingFaceFolder::Open.
absl::StatusOr<ModelConfig> ReadHuggingFaceModel(const std::string& dir,
                                                 std::optional<int64_t> longest = std::nullopt);

// Whether there is a config.json and no checkpoint's manifest.
bool IsHuggingFaceFolder(const std::string& dir);

}  // namespace deduce
