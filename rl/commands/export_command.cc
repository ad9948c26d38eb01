#include "rl/commands/export_command.h"

#include <filesystem>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "configs/exit_code.h"
#include "configs/status.h"
#include "rl/run/find_model.h"
#include "trainer/hugging_face/export.h"
#include "trainer/hugging_face/folder.h"
#include "trainer/hugging_face/model_folder.h"

namespace deduce {
namespace {

absl::Status BadExportFlag(const std::string& message) {
  return WithExitCode(absl::InvalidArgumentError(message), ExitCode::kBadConfig);
}

absl::StatusOr<std::optional<at::ScalarType>> Dtype(const Arguments& arguments) {
  if (!arguments.Has("dtype")) return std::optional<at::ScalarType>();
  static const auto* dtypes = new std::map<std::string, at::ScalarType>{
      {"fp32", at::kFloat}, {"bf16", at::kBFloat16}, {"fp16", at::kHalf}};
  const std::string name = arguments.Text("dtype");
  const auto dtype = dtypes->find(name);
  if (dtype != dtypes->end()) return dtype->second;
  return BadExportFlag(absl::StrCat("--dtype: found \"", name, "\", expected fp32, bf16 or fp16"));
}

// "OUT: 272 tensors of bf16, 269.1 MB in 1 file, from CHECKPOINT".
std::string Line(const ExportRequest& request, const std::string& dtype, const std::string& from) {
  int files = 0;
  double bytes = 0;
  std::error_code ignored;  // only the line would be wrong
  for (const auto& entry : std::filesystem::directory_iterator(request.out, ignored)) {
    if (entry.path().extension() != ".safetensors") continue;
    ++files;
    bytes += static_cast<double>(entry.file_size(ignored));
  }
  return absl::StrFormat("%s: %d tensors of %s, %.4g MB in %d file%s, from %s\n", request.out,
                         request.tensors.size(), dtype, bytes / 1e6, files, files == 1 ? "" : "s",
                         from);
}

}  // namespace

absl::Status ExportCommand(const Arguments& arguments, std::ostream& out) {
  constexpr int64_t kDefaultShardBytes = 5'000'000'000;  // as transformers used to have it
  const int64_t max_shard_bytes = arguments.Integer("max_shard_bytes", kDefaultShardBytes);
  if (max_shard_bytes < 1) {
    return BadExportFlag(
        absl::StrCat("--max_shard_bytes: found ", max_shard_bytes, ", expected at least 1"));
  }
  ASSIGN_OR_RETURN(const std::optional<at::ScalarType> dtype, Dtype(arguments));
  ASSIGN_OR_RETURN(const std::string from, FindModel(arguments.Text("checkpoint"), std::cerr));
  ASSIGN_OR_RETURN(ModelFolder folder, LoadModelFolder(from));
  const bool has_source = folder.files.contains(kSourceDtypes);
  const ExportRequest request{.out = arguments.Text("out"),
                              .model = folder.config,
                              .tensors = std::move(folder.tensors),
                              .files = std::move(folder.files),
                              .dtype = dtype,
                              .max_shard_bytes = max_shard_bytes};
  const absl::Status status = ExportHuggingFace(request);
  if (absl::IsAlreadyExists(status)) return WithExitCode(status, ExitCode::kBadConfig);
  if (absl::IsInvalidArgument(status)) return WithExitCode(status, ExitCode::kBadData);
  RETURN_IF_ERROR(status);
  out << Line(request,
              arguments.Text("dtype", has_source ? "the types of the source folder" : "fp32"),
              from);
  return absl::OkStatus();
}

}  // namespace deduce
