#include "trainer/hugging_face/model_folder.h"

#include <ATen/Parallel.h>

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "configs/exit_code.h"
#include "configs/parse_text.h"
#include "configs/status.h"
#include "data/text/chat_template/chat_template_folder.h"
#include "data/text/tokenizer/end_tokens.h"
#include "parallel/rank_groups.h"
#include "trainer/checkpoint/checkpoint_reader.h"
#include "trainer/checkpoint/manifest.h"
#include "trainer/hugging_face/folder.h"
#include "trainer/hugging_face/read_weights.h"
#include "trainer/model/resolve_compute_type.h"
#include "trainer/step/tensor_slices.h"

namespace deduce {
namespace {

constexpr char kConfigName[] = "config.textproto";

absl::StatusOr<RunConfig> CheckpointConfig(const CheckpointReader& reader) {
  ASSIGN_OR_RETURN(const std::string text, reader.ReadExtraFile(kConfigName));
  return ParseConfigText(text, absl::StrCat(reader.dir(), "/", kConfigName));
}

// Makes the model and fills it by `read`.
template <typename Read>
absl::Status FillModel(ModelFolder& folder, std::optional<ModelConfig::Compute> compute,
                       const Read& read) {
  folder.world = MakeOneMemberCommunicator();
  if (compute) folder.config.set_compute(*compute);
  folder.compute = ResolveComputeType(folder.config, c10::kCPU, *folder.world);
  folder.ranks = std::make_unique<RankGroups>(MakeRankGroups(*folder.world, Layout{}));
  folder.model = std::make_unique<RankModel>(folder.config, /*seed=*/std::nullopt, *folder.ranks,
                                             /*sharded=*/true);
  RETURN_IF_ERROR(read(*folder.model));
  folder.tensors = HeldTensors(*folder.model);
  return absl::OkStatus();
}

absl::StatusOr<ModelFolder> LoadCheckpoint(const std::string& dir,
                                           std::optional<ModelConfig::Compute> compute) {
  ASSIGN_OR_RETURN(const CheckpointReader reader, CheckpointReader::Open(dir));
  ASSIGN_OR_RETURN(const RunConfig config, CheckpointConfig(reader));
  ModelFolder folder;
  folder.config = config.model();
  RETURN_IF_ERROR(
      FillModel(folder, compute, [&](RankModel& model) { return ReadWeights(reader, "", model); }));
  for (const auto& [name, hash] : reader.manifest().file_hashes) {
    if (name == kConfigName) continue;
    ASSIGN_OR_RETURN(folder.files[name], reader.ReadExtraFile(name));
  }
  at::set_num_threads(static_cast<int>(config.layout().threads_per_rank()));
  return folder;
}

absl::StatusOr<ModelFolder> LoadHuggingFace(const std::string& dir,
                                            std::optional<ModelConfig::Compute> compute) {
  ASSIGN_OR_RETURN(const HuggingFaceFolder source, HuggingFaceFolder::Open(dir));
  ModelFolder folder;
  folder.config = source.model;
  RETURN_IF_ERROR(FillModel(
      folder, compute, [&](RankModel& model) { return ReadHuggingFaceWeights(source, model); }));
  ASSIGN_OR_RETURN(folder.files, source.KeptFiles());
  at::set_num_threads(1);  // as the default of layout.threads_per_rank
  return folder;
}

absl::StatusOr<Tokenizer> ReadTokenizer(const std::string& dir) {
  if (!std::filesystem::exists(std::filesystem::path(dir) / "manifest.json")) {
    return Tokenizer::Load(dir);
  }
  ASSIGN_OR_RETURN(const CheckpointReader reader, CheckpointReader::Open(dir));
  ASSIGN_OR_RETURN(const std::string text, reader.ReadExtraFile("tokenizer.json"));
  constexpr char kTokenizerConfigName[] = "tokenizer_config.json";
  std::string special_tokens;
  if (reader.manifest().file_hashes.count(kTokenizerConfigName) > 0) {
    ASSIGN_OR_RETURN(special_tokens, reader.ReadExtraFile(kTokenizerConfigName));
  }
  ASSIGN_OR_RETURN(const std::vector<int32_t> eos_token_ids, LoadEosTokenIds(dir));
  return Tokenizer::FromJson(text, absl::StrCat(dir, "/tokenizer.json"), special_tokens,
                             LoadChatTemplate(dir), eos_token_ids);
}

absl::StatusOr<Tokenizer> ReadFittingTokenizer(const std::string& dir, const ModelConfig& model) {
  ASSIGN_OR_RETURN(Tokenizer tokenizer, ReadTokenizer(dir));
  if (tokenizer.vocab_size() > model.vocab_size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(dir, "/tokenizer.json: found ", tokenizer.vocab_size(),
                     " tokens, expected at most model.vocab_size (", model.vocab_size(), ")"));
  }
  return tokenizer;
}

// The same, to end with exit code 3.
template <typename T>
absl::StatusOr<T> OrBadData(absl::StatusOr<T> result) {
  if (!result.ok()) return WithExitCode(result.status(), ExitCode::kBadData);
  return result;
}

}  // namespace

absl::StatusOr<ModelFolder> LoadModelFolder(const std::string& dir,
                                            std::optional<ModelConfig::Compute> compute) {
  return OrBadData(IsHuggingFaceFolder(dir) ? LoadHuggingFace(dir, compute)
                                            : LoadCheckpoint(dir, compute));
}

absl::StatusOr<Tokenizer> LoadFolderTokenizer(const std::string& dir) {
  return OrBadData(ReadTokenizer(dir));
}

absl::StatusOr<Tokenizer> LoadFolderTokenizer(const std::string& dir, const ModelConfig& model) {
  return OrBadData(ReadFittingTokenizer(dir, model));
}

}  // namespace deduce
