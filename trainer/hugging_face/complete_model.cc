#include "trainer/hugging_face/complete_model.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "configs/config.h"
#include "configs/exit_code.h"
#include "configs/status.h"
#include "trainer/hugging_face/folder.h"

namespace deduce {
namespace {

absl::Status BadConfig(const std::string& message) {
  return WithExitCode(absl::InvalidArgumentError(message), ExitCode::kBadConfig);
}

absl::StatusOr<ModelConfig> ModelOf(const std::string& dir, std::optional<int64_t> longest,
                                    bool weights) {
  if (!weights) return ReadHuggingFaceModel(dir, longest);
  ASSIGN_OR_RETURN(HuggingFaceFolder folder, HuggingFaceFolder::Open(dir, longest));
  return std::move(folder.model);
}

}  // namespace

std::optional<int64_t> LongestUse(const ModelConfig& model) {
  if (!model.has_max_position_embeddings()) return std::nullopt;
  return model.max_position_embeddings();
}

absl::Status CompleteFromHuggingFace(RunConfig& config, bool weights) {
  if (!config.model().has_hugging_face()) return absl::OkStatus();
  const std::string dir = config.model().hugging_face();
  const absl::StatusOr<ModelConfig> own = ModelOf(dir, LongestUse(config.model()), weights);
  if (!own.ok()) return WithExitCode(own.status(), ExitCode::kBadData);
  ModelConfig merged = *own;
  merged.MergeFrom(config.model());
  const int64_t positions = merged.max_position_embeddings();
  if (positions > own->max_position_embeddings()) {
    return BadConfig(absl::StrCat("model.max_position_embeddings: found ", positions,
                                  ", expected at most the ", own->max_position_embeddings(), " of ",
                                  dir));
  }
  const std::string difference = ModelDifference(merged, *own);
  if (!difference.empty()) {
    return BadConfig(absl::StrCat("model.", difference, ": found another value than in ", dir,
                                  "/config.json, expected the same or none"));
  }
  *config.mutable_model() = std::move(merged);
  if (!config.has_tokenizer()) config.set_tokenizer(dir + "/tokenizer.json");
  return absl::OkStatus();
}

}  // namespace deduce
