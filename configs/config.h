// A run's config as text: reading it, changing it from the command line, printing it in full; and
// finding where its stages start.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "configs/run.pb.h"

namespace deduce {

// The text of a file that a run is described by. kind: what errors say was expected.
// InvalidArgument when it cannot be read or is empty.
absl::StatusOr<std::string> ReadConfigText(const std::string& path, const std::string& kind);

// Reads the text-format file at `path` and merges each of `overrides` (the texts of --set, in
// order) over it. A field of an override replaces the file's; its entries of `stage` and `reward`
// are merged into the entry with the same first field (the stage's name, the verifier's), which
// must be given, and appended if there is none. A list whose entries have no such name is replaced.
// A member of a oneof (a stage's kind of work, a path or a task) is not replaced by another one.
// Rules between fields are not checked here: see Validate. InvalidArgument, one line:
// `FILE:LINE:COLUMN: FIELD: found X, expected Y`, with `--set 'TEXT'` as FILE for an override;
// unknown, repeated and mistyped fields are errors.
absl::StatusOr<RunConfig> LoadConfig(const std::string& path,
                                     const std::vector<std::string>& overrides);

// The config with every default written out, sub-messages that only hold defaults included; those
// whose absence means something (moe, rope.scaling, evaluate, task) stay absent.
RunConfig WithDefaults(const RunConfig& config);

// WithDefaults(config) in text format: what LoadConfig reads back as the same run, and a person
// reads every number of.
std::string ConfigText(const RunConfig& config);

// Path, relative to `model`, of the first field in which the two give weights another meaning: the
// shape, and what a forward pass computes with them; "" if there is none. How weights begin, how
// they are updated, and how long sequences may be does not count.
std::string ModelDifference(const ModelConfig& model, const ModelConfig& other);

// Name of the stage's kind of work: that of the field in StageConfig.work; "" without one.
std::string StageKind(const StageConfig& stage);

// Index of the stage of this name, or -1.
int FindStage(const RunConfig& config, const std::string& name);

// "base, sft, rl".
std::string StageNames(const RunConfig& config);

// Index of the stage whose weights stage `index` starts from, by init_from or by order; -1: weights
// from outside the run, those of the model's folder or fresh ones, or no such stage.
int InitialStage(const RunConfig& config, int index);

// Whether the stage's init_from names weights outside the run: another run's stage (it has a '#')
// or a path (it has a '/' or a '.', which no stage's name has).
bool StartsOutside(const StageConfig& stage);

// A stage of another run, as init_from names it: "RUN_DIR#STAGE" or "RUN_DIR#STAGE/STEP".
struct OtherStage {
  std::string run_dir;
  std::string stage;
  std::string step;  // a number or "best"; "": the stage's last
};

// The other run and its stage, if init_from has a '#'.
std::optional<OtherStage> StageOfAnotherRun(const StageConfig& stage);

}  // namespace deduce
