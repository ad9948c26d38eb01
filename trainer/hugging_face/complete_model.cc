#include "trainer/hugging_face/complete_model.h"

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

}  // namespace

absl::Status CompleteFromHuggingFace(RunConfig& config) {
  if (!config.model().has_hugging_face()) return absl::OkStatus();
  const std::string dir = config.model().hugging_face();
  const absl::StatusOr<HuggingFaceFolder> folder = HuggingFaceFolder::Open(dir);
  if (!folder.ok()) return WithExitCode(folder.status(), ExitCode::kBadData);
  ModelConfig merged = folder->model;
  merged.MergeFrom(config.model());
  const int64_t positions = merged.max_position_embeddings();
  if (positions > folder->model.max_position_embeddings()) {
    return BadConfig(absl::StrCat("model.max_position_embeddings: found ", positions,
                                  ", expected at most the ",
                                  folder->model.max_position_embeddings(), " of ", dir));
  }
  const std::string difference = ModelDifference(merged, folder->model);
  if (!difference.empty()) {
    return BadConfig(absl::StrCat("model.", difference, ": found another value than in ", dir,
                                  "/config.json, expected the same or none"));
  }
  *config.mutable_model() = std::move(merged);
  if (!config.has_tokenizer()) config.set_tokenizer(dir + "/tokenizer.json");
  return absl::OkStatus();
}

}  // namespace deduce
