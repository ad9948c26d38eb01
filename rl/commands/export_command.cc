#include "rl/commands/export_command.h"

#include <utility>

#include "configs/exit_code.h"
#include "configs/status.h"
#include "trainer/hugging_face/export.h"
#include "trainer/hugging_face/model_folder.h"

namespace deduce {

absl::Status ExportCommand(const Arguments& arguments) {
  constexpr int64_t kDefaultShardBytes = 5'000'000'000;  // as transformers used to have it
  const int64_t max_shard_bytes = arguments.Integer("max_shard_bytes", kDefaultShardBytes);
  if (max_shard_bytes < 1) {
    return WithExitCode(absl::InvalidArgumentError("--max_shard_bytes: expected at least 1"),
                        ExitCode::kBadConfig);
  }
  ASSIGN_OR_RETURN(ModelFolder folder, LoadModelFolder(arguments.Text("checkpoint")));
  ExportRequest request{.out = arguments.Text("out"),
                        .model = folder.config,
                        .tensors = std::move(folder.tensors),
                        .files = std::move(folder.files),
                        .max_shard_bytes = max_shard_bytes};
  const absl::Status status = ExportHuggingFace(request);
  if (absl::IsAlreadyExists(status)) return WithExitCode(status, ExitCode::kBadConfig);
  if (absl::IsInvalidArgument(status)) return WithExitCode(status, ExitCode::kBadData);
  return status;
}

}  // namespace deduce
