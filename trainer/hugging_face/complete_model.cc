#include "trainer/hugging_face/complete_model.h"

#include <string>

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

// Makes the fields that a run may choose equal, so that what is left must agree.
void CopyFreeFields(const ModelConfig& from, ModelConfig& to) {
  to.set_hugging_face(from.hugging_face());
  to.set_max_position_embeddings(from.max_position_embeddings());
  to.set_initializer_range(from.initializer_range());
  to.set_compute(from.compute());
  if (!from.has_moe() || !to.has_moe()) return;
  to.mutable_moe()->set_bias_update_speed(from.moe().bias_update_speed());
  to.mutable_moe()->set_balance_loss_alpha(from.moe().balance_loss_alpha());
}

}  // namespace

absl::Status CompleteFromHuggingFace(RunConfig& config) {
  if (!config.model().has_hugging_face()) return absl::OkStatus();
  const std::string dir = config.model().hugging_face();
  const absl::StatusOr<HuggingFaceFolder> folder = HuggingFaceFolder::Open(dir);
  if (!folder.ok()) return WithExitCode(folder.status(), ExitCode::kBadData);
  RunConfig merged, expected;
  *merged.mutable_model() = *expected.mutable_model() = folder->model;
  merged.mutable_model()->MergeFrom(config.model());
  const int64_t positions = merged.model().max_position_embeddings();
  if (positions > folder->model.max_position_embeddings()) {
    return BadConfig(absl::StrCat("model.max_position_embeddings: found ", positions,
                                  ", expected at most the ",
                                  folder->model.max_position_embeddings(), " of ", dir));
  }
  CopyFreeFields(merged.model(), *expected.mutable_model());
  const std::string difference = ConfigDifference(merged, expected);
  if (!difference.empty()) {
    return BadConfig(absl::StrCat(difference, ": found another value than in ", dir,
                                  "/config.json, expected the same or none"));
  }
  *config.mutable_model() = merged.model();
  if (!config.has_tokenizer()) config.set_tokenizer(dir + "/tokenizer.json");
  return absl::OkStatus();
}

}  // namespace deduce
