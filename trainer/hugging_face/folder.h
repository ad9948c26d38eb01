// A Hugging Face folder: config.json, safetensors files, and what lies beside them.
#pragma once

#include <map>
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

  // Opens and checks everything but the values and which tensors there are. Errors: those of
  // ReadHuggingFaceConfig and WeightFiles::Open.
  static absl::StatusOr<HuggingFaceFolder> Open(const std::string& dir);

  // The files that a checkpoint keeps so that an export gives the folder back: config.json (without
  // the quantization, as weights are exported in bf16 then), generation and tokenizer files, and
  // kSourceDtypes. By name; errors of reading.
  absl::StatusOr<std::map<std::string, std::string>> KeptFiles() const;
};

// Whether there is a config.json and no checkpoint's manifest.
bool IsHuggingFaceFolder(const std::string& dir);

}  // namespace deduce
