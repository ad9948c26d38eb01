#include "rl/run/stage_inputs.h"

#include <google/protobuf/text_format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "configs/config.h"
#include "configs/exit_code.h"
#include "configs/status.h"
#include "trainer/checkpoint/content_hash.h"

namespace deduce {
namespace {

constexpr std::array<std::pair<ArtifactType, const char*>, 8> kTypeNames = {{
    {ArtifactType::kWeights, "weights"},
    {ArtifactType::kDataSet, "data"},
    {ArtifactType::kTask, "task"},
    {ArtifactType::kTokenizer, "tokenizer"},
    {ArtifactType::kTokenizerConfig, "tokenizer_config"},
    {ArtifactType::kChatTemplate, "chat_template"},
    {ArtifactType::kEndTokens, "end_tokens"},
    {ArtifactType::kEvaluation, "evaluation"},
}};

const char* TypeName(ArtifactType type) {
  return std::find_if(kTypeNames.begin(), kTypeNames.end(),
                      [&](const auto& entry) { return entry.first == type; })
      ->second;
}

// A task's problems are a function of its config, seed and our code.
Artifact TaskArtifact(const RunConfig& config, int index) {
  const TaskConfig task = WithDefaults(config).stage(index).data().task();
  std::string text;
  google::protobuf::TextFormat::PrintToString(task, &text);
  return {ArtifactType::kTask, task.name(), ContentHash(text)};
}

const Artifact* FindEvaluation(const std::vector<Artifact>& artifacts) {
  for (const Artifact& artifact : artifacts) {
    if (artifact.type == ArtifactType::kEvaluation) return &artifact;
  }
  return nullptr;
}

}  // namespace

absl::StatusOr<std::vector<Artifact>> ReadStageInputs(const RunConfig& config, int index,
                                                      const Tokenizer& tokenizer) {
  std::vector<Artifact> inputs;
  const DataConfig& data = config.stage(index).data();
  if (data.has_path()) {
    ASSIGN_OR_RETURN(std::string hash, ContentHashOfFile(data.path()));
    inputs.push_back({ArtifactType::kDataSet, data.path(), std::move(hash)});
  } else {
    inputs.push_back(TaskArtifact(config, index));
  }
  if (const EvaluateConfig& evaluate = config.stage(index).evaluate(); evaluate.has_path()) {
    ASSIGN_OR_RETURN(std::string hash, ContentHashOfFile(evaluate.path()));
    inputs.push_back({ArtifactType::kEvaluation, evaluate.path(), std::move(hash)});
  }
  const std::string& path = config.tokenizer();
  inputs.push_back({ArtifactType::kTokenizer, path, ContentHash(tokenizer.json())});
  inputs.push_back({ArtifactType::kTokenizerConfig, path + " (its tokenizer_config.json)",
                    ContentHash(tokenizer.config_json())});
  const auto& chat = tokenizer.chat_template();
  inputs.push_back({ArtifactType::kChatTemplate, path + " (its chat template)",
                    ContentHash(chat.ok() ? chat->text() : "")});
  inputs.push_back({ArtifactType::kEndTokens, path + " (eos_token_id beside it)",
                    ContentHash(absl::StrJoin(tokenizer.eos_token_ids(), " "))});
  return inputs;
}

nlohmann::json ToJson(const std::vector<Artifact>& artifacts) {
  nlohmann::json list = nlohmann::json::array();
  for (const Artifact& artifact : artifacts) {
    list.push_back(
        {{"type", TypeName(artifact.type)}, {"name", artifact.name}, {"hash", artifact.hash}});
  }
  return list;
}

std::vector<Artifact> InputsOfState(const nlohmann::json& state) {
  std::vector<Artifact> inputs;
  const auto list = state.find("inputs");
  if (list == state.end() || !list->is_array()) return inputs;
  for (const nlohmann::json& entry : *list) {
    if (!entry.is_object()) continue;
    for (const auto& [type, name] : kTypeNames) {
      if (entry.value("type", "") == name)
        inputs.push_back({type, entry.value("name", ""), entry.value("hash", "")});
    }
  }
  return inputs;
}

absl::Status CheckInputs(const std::string& checkpoint, const std::vector<Artifact>& recorded,
                         const std::vector<Artifact>& inputs) {
  for (const Artifact& input : inputs) {
    if (input.type == ArtifactType::kWeights || input.type == ArtifactType::kEvaluation) continue;
    for (const Artifact& before : recorded) {
      if (before.type != input.type || before.hash == input.hash) continue;
      return WithExitCode(absl::DataLossError(absl::StrCat(
                              input.name, ": found content of hash ", input.hash, ", expected ",
                              before.hash, ", which ", checkpoint, " was made from")),
                          ExitCode::kBadData);
    }
  }
  return absl::OkStatus();
}

std::optional<ConfigChange> EvaluationChange(const RunConfig& config, int index, int64_t step,
                                             const std::vector<Artifact>& recorded,
                                             const std::vector<Artifact>& inputs) {
  const Artifact* before = FindEvaluation(recorded);
  const Artifact* now = FindEvaluation(inputs);
  if (before == nullptr || now == nullptr || before->hash == now->hash) return std::nullopt;
  return ConfigChange{.field = absl::StrCat("stage[", index, "].evaluate.path (its content)"),
                      .from = before->hash,
                      .to = now->hash,
                      .stage = config.stage(index).name(),
                      .step = step};
}

nlohmann::json WithEvaluationOf(const std::vector<Artifact>& inputs, const nlohmann::json& state) {
  std::vector<Artifact> all;
  for (Artifact& input : InputsOfState(state)) {
    if (input.type != ArtifactType::kEvaluation) all.push_back(std::move(input));
  }
  if (const Artifact* now = FindEvaluation(inputs)) all.push_back(*now);
  return ToJson(all);
}

}  // namespace deduce
