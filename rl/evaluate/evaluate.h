// Held-out accuracy with its uncertainty.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "configs/run.pb.h"
#include "data/records/sample_encoder.h"
#include "data/text/tokenizer/tokenizer.h"
#include "rl/rollout/engine.h"
#include "trainer/metrics/metrics.h"
#include "trainer/step/rank_model.h"

namespace deduce {

struct Interval {
  double low = 0, high = 0;
};

// 95% Wilson score interval (Wilson 1927) of a mean of n independent values in [0, 1]. Exact in
// form for zeros and ones; for other values it is too wide, never too narrow, as their variance is
// at most mean * (1 - mean).
Interval WilsonInterval(double mean, int64_t n);

class Evaluator {
 public:
  // Of a stage that has `evaluate`; `where` is the stage's field path. Errors: those of
  // PromptStream, for the task; those of ReadHeldOutRows, for a file.
  static absl::StatusOr<Evaluator> Create(const StageConfig& stage, uint64_t seed,
                                          std::shared_ptr<const Tokenizer> tokenizer,
                                          int64_t max_positions, const std::string& where);

  // Collective over the world. Appends eval/loss (HeldOutLoss) of a file's rows with completions,
  // except in grpo stages; and of a task's or a file's problems eval/NAME/pass@1 (mean correctness
  // over problems and samples, as the R1 paper defines it), eval/NAME/language_consistency, both
  // with _ci95 over problems, and eval/NAME/format. NAME is the task's, or the file's without
  // folder and ending. What no sample could be scored for is left out, as consistency is where
  // problems name no language. The problems and the random numbers are the same at every call, so
  // that two evaluations of a run are paired.
  absl::Status Append(RankModel& model, MetricsRecord& record) const;

  // In words, what was read of a file and what of it is measured; "" for a task.
  const std::string& rows_text() const { return rows_text_; }

 private:
  Evaluator() = default;
  absl::Status ReadTask(const StageConfig& stage, uint64_t seed, int64_t max_prompt,
                        const std::string& where);
  absl::Status ReadFile(const StageConfig& stage, int64_t max_prompt, int64_t max_positions,
                        const std::string& where);
  absl::Status AppendAccuracy(RankModel& model, MetricsRecord& record) const;

  EvaluateConfig config_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::string name_;
  std::vector<Prompt> problems_;
  GenerationOptions generation_;
  std::vector<TokenSample> samples_;  // rows of a file that have a loss
  int64_t micro_batch_tokens_ = 0;
  bool completion_only_ = false;
  std::string rows_text_;
};

}  // namespace deduce
