// The inputs of a stage, by content: data, task, tokenizer, chat template, weights. A checkpoint
// holds their hashes, so that a run that goes on with another file says so instead of going on in
// other numbers.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "configs/resume_rules.h"
#include "configs/run.pb.h"
#include "data/text/tokenizer/tokenizer.h"

namespace deduce {

enum class ArtifactType {
  kWeights,
  kDataSet,
  kTask,
  kTokenizer,
  kTokenizerConfig,
  kChatTemplate,
  kEndTokens,
  kEvaluation,  // the held-out file
};

struct Artifact {
  ArtifactType type = ArtifactType::kWeights;
  std::string name;  // a path, a stage, a task
  std::string hash;  // of its content; "" if it has none, as fresh weights
};

// The inputs of stage `index`, weights aside. Reads the data files. Errors: FileError's.
absl::StatusOr<std::vector<Artifact>> ReadStageInputs(const RunConfig& config, int index,
                                                      const Tokenizer& tokenizer);

// [{"type", "name", "hash"}, ...], as the state of a checkpoint has it under "inputs", and back; a
// state without any gives none.
nlohmann::json ToJson(const std::vector<Artifact>& artifacts);
std::vector<Artifact> InputsOfState(const nlohmann::json& state);

// DataLoss (exit code 3), naming the file, if an input's content is other than that of the same
// type in `recorded`, which `checkpoint` holds. Where it lies may differ; weights are not compared,
// nor the held-out file, which trains nothing.
absl::Status CheckInputs(const std::string& checkpoint, const std::vector<Artifact>& recorded,
                         const std::vector<Artifact>& inputs);

// Compares the held-out file of stage `index` of `config` with the recorded one: a change from its
// content in `recorded` to that in `inputs`, which holds from `step` on. None if it is the same, or
// one of them has none.
std::optional<ConfigChange> EvaluationChange(const RunConfig& config, int index, int64_t step,
                                             const std::vector<Artifact>& recorded,
                                             const std::vector<Artifact>& inputs);

// The inputs in the state of a checkpoint, with the held-out file of `inputs` in place of its own.
nlohmann::json WithEvaluationOf(const std::vector<Artifact>& inputs, const nlohmann::json& state);

}  // namespace deduce
