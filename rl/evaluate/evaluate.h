// Held-out accuracy with its uncertainty.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "configs/run.pb.h"
#include "data/records/streams.h"
#include "data/text/tokenizer/tokenizer.h"
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
  // PromptStream.
  static absl::StatusOr<Evaluator> Create(const StageConfig& stage, uint64_t seed,
                                          std::shared_ptr<const Tokenizer> tokenizer,
                                          int64_t max_positions, const std::string& where);

  // Collective over the world. Appends eval/TASK/pass@1 (mean correctness over problems and
  // samples, as the R1 paper defines it), eval/TASK/language_consistency, both with _ci95 over
  // problems, and eval/TASK/format. What no sample could be scored for is left out, as consistency
  // is where problems name no language. The problems and the random numbers are the same at every
  // call, so that two evaluations of a run are paired.
  absl::Status Append(RankModel& model, MetricsRecord& record) const;

 private:
  Evaluator(EvaluateConfig config, PromptStream prompts, std::shared_ptr<const Tokenizer> tokenizer)
      : config_(std::move(config)),
        prompts_(std::move(prompts)),
        tokenizer_(std::move(tokenizer)) {}

  EvaluateConfig config_;
  PromptStream prompts_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::string task_name_;
  int64_t max_completion_length_ = 0;
  uint64_t stream_ = 0;
};

}  // namespace deduce
