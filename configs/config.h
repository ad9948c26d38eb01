// A run's config as text: reading it, changing it from the command line, printing it in full,
// comparing two of them.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "configs/config.pb.h"

namespace deduce {

// The text of a file that a run is described by. kind: what errors say was expected.
// InvalidArgument when it cannot be read or is empty.
absl::StatusOr<std::string> ReadConfigText(const std::string& path, const std::string& kind);

// Reads the text-format file at `path` and merges each of `overrides` (the texts of --set, in
// order) over it. A field of an override replaces the file's; its entries of `stage` and `reward`
// are merged into the entry with the same first field (the stage's name, the verifier's), which
// must be given, and appended if there is none. A list whose entries have no such name is replaced.
// Rules between fields are not checked here: see Validate. InvalidArgument, one line:
// `FILE:LINE:COLUMN: FIELD: found X, expected Y`, with `--set 'TEXT'` as FILE for an override;
// unknown, repeated and mistyped fields are errors.
absl::StatusOr<RunConfig> LoadConfig(const std::string& path,
                                     const std::vector<std::string>& overrides);

// The config with every default written out, sub-messages that only hold defaults included; those
// whose absence means something (moe, yarn, grpo, evaluate, task, reuse) stay absent.
RunConfig WithDefaults(const RunConfig& config);

// WithDefaults(config) in text format: what LoadConfig reads back as the same run, and a person
// reads every number of.
std::string ConfigText(const RunConfig& config);

// Path of the first field in which the two runs differ once defaults are written out, such as
// `stage[1].optimizer.beta2`; "" if there is none. What leaves the trained weights alone is not
// compared: layout, run_dir and checkpoint.
std::string ConfigDifference(const RunConfig& a, const RunConfig& b);

// Path, in the terms of `run`, of the first field that keeps it from taking its reuse.stage from
// `other`: the seed, tokenizer or model, or a setting of a reused stage or of a stage that one was
// trained from; "" if there is none.
std::string ReuseDifference(const RunConfig& run, const RunConfig& other);

// Index of the stage whose weights stage `index` starts from, by init_from or by order; -1: fresh
// weights, or no such stage.
int InitialStage(const RunConfig& config, int index);

}  // namespace deduce
