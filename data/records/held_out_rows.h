// A file that is kept for evaluation.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "configs/data.pb.h"
#include "data/records/jsonl_reader.h"
#include "data/records/row_filter.h"
#include "data/records/sample_encoder.h"
#include "data/text/tokenizer/tokenizer.h"

namespace deduce {

struct HeldOutRows {
  std::vector<Prompt> problems;      // rows with an answer, in the file's order
  std::vector<TokenSample> samples;  // rows with a completion, likewise
  std::vector<int32_t> end_ids;      // tokens that end a completion of a problem
  RowReport report;
};

// The rows that are read, and how long they may be.
struct HeldOutOptions {
  int64_t max_prompt_tokens = 0;
  int64_t max_sample_tokens = 0;  // 0: completions are not read
  LearnedTurns turns = LearnedTurns::kLast;
  std::vector<std::string> verifiers;  // that problems may name; none: any
};

// Reads the rows of config.path, framed and left out as `config` says; `where` is its path in
// messages. A row with an answer and a completion is both. Errors: those of JsonlReader and
// SampleEncoder; no row that is read.
absl::StatusOr<HeldOutRows> ReadHeldOutRows(const DataConfig& config,
                                            const std::shared_ptr<const Tokenizer>& tokenizer,
                                            const HeldOutOptions& options,
                                            const std::string& where);

}  // namespace deduce
