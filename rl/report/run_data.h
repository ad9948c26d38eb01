// The metrics.jsonl of one run by stage, as the report needs it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace deduce {

// All numbers logged for one step of one stage.
struct MetricPoint {
  int64_t step = 0;
  std::map<std::string, double> values =
      {};  // by metric name; a null (non-finite) number is absent
  std::map<std::string, std::pair<double, double>> intervals =
      {};                         // 95%: low and high, by metric name
  std::string weights_hash = {};  // empty: not logged at this step
};

struct StageMetrics {
  std::string name;
  std::string kind;                      // as logged: pretrain, sft, grpo, ...
  std::vector<MetricPoint> points = {};  // steps strictly rising
  double tokens_before = 0;              // num_tokens when the stage began

  // First and last logged value of a metric, none when the stage has none.
  std::optional<double> First(const std::string& metric) const;
  std::optional<double> Last(const std::string& metric) const;
  // Tokens of this stage alone, and the sum of its step_time in seconds; 0 when not logged.
  double Tokens() const;
  double Seconds() const;
};

struct RunMetrics {
  std::string directory;                  // as given
  std::string name;                       // last part of the directory
  std::vector<StageMetrics> stages = {};  // in order of first appearance
};

// Reads RUN_DIR/metrics.jsonl. Lines of one stage and step are merged; a line that goes back to an
// earlier step of its stage (a run resumed from a checkpoint) replaces what the stage had from that
// step on. Interval keys `NAME_ci95` hold a half-width or a [low, high] pair around NAME. Errors:
// NotFound with the path when the file is missing or holds no line; InvalidArgument
// "PATH/metrics.jsonl:LINE: found X, expected Y" for a broken line.
absl::StatusOr<RunMetrics> ReadRunMetrics(const std::string& run_dir);

}  // namespace deduce
