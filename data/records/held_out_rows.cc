#include "data/records/held_out_rows.h"

#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "configs/status.h"

namespace deduce {
namespace {

// The problem or the sample of a row, or both.
struct HeldOutRow {
  std::optional<Prompt> problem;
  std::optional<TokenSample> sample;
};

}  // namespace

absl::StatusOr<HeldOutRows> ReadHeldOutRows(const DataConfig& config,
                                            const std::shared_ptr<const Tokenizer>& tokenizer,
                                            const HeldOutOptions& options,
                                            const std::string& where) {
  const bool with_samples = options.max_sample_tokens > 0;
  ASSIGN_OR_RETURN(const SampleEncoder prompts,
                   SampleEncoder::Create(config, tokenizer, options.max_prompt_tokens, where));
  ASSIGN_OR_RETURN(const SampleEncoder samples,
                   SampleEncoder::Create(config, tokenizer, options.max_sample_tokens, where));
  ASSIGN_OR_RETURN(
      const JsonlReader reader,
      JsonlReader::Open(config.path(), OptionsOfRows(config, *tokenizer, options.turns)));
  const auto read = [&](int64_t i) -> absl::StatusOr<HeldOutRow> {
    ASSIGN_OR_RETURN(const JsonlReader::Kinds kinds, reader.KindsOf(i));
    HeldOutRow row;
    if (kinds.problem) {
      ASSIGN_OR_RETURN(Problem problem, reader.ReadProblem(i, options.verifiers));
      ASSIGN_OR_RETURN(row.problem, prompts.EncodePrompt(std::move(problem), reader.Where(i)));
    }
    if (kinds.sample && with_samples) {
      ASSIGN_OR_RETURN(const TextSample text, reader.ReadSample(i));
      ASSIGN_OR_RETURN(row.sample, samples.EncodeSample(text, reader.Where(i)));
    }
    return row;
  };
  HeldOutRows rows;
  bool chat = config.chat();
  RowFilter filter(config, reader.size());
  for (int64_t i = 0; i < reader.size(); ++i) {
    absl::StatusOr<HeldOutRow> row = read(i);
    ASSIGN_OR_RETURN(const bool used, filter.Uses(i, row.status()));
    if (used && row->problem) chat |= row->problem->problem.whole_prompt;
    if (used && row->problem) rows.problems.push_back(*std::move(row->problem));
    if (used && row->sample) rows.samples.push_back(*std::move(row->sample));
  }
  rows.end_ids = prompts.end_ids(chat);
  ASSIGN_OR_RETURN(rows.report, filter.Finish(config.path()));
  if (!rows.problems.empty() || !rows.samples.empty()) return rows;
  return absl::InvalidArgumentError(
      absl::StrCat(config.path(),
                   ": found no row with an \"answer\", expected some for a stage "
                   "that learns from rewards"));
}

}  // namespace deduce
