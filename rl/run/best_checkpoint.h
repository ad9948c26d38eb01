// Which step of a stage has the best value of checkpoint.best_metric so far.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "configs/run.pb.h"
#include "trainer/metrics/metrics.h"

namespace deduce {

class BestCheckpoint {
 public:
  // Without best_metric there is never a best one.
  explicit BestCheckpoint(const CheckpointConfig& config) : metric_(config.best_metric()) {}

  // As a checkpoint's state has it under "best"; a record of another metric is forgotten.
  static BestCheckpoint Of(const nlohmann::json& state, const CheckpointConfig& config);
  nlohmann::ordered_json ToJson() const;  // {"metric", "step", "value"}; there must be a step

  // Takes the step if its line has the metric and the value is better: lower of a loss (a metric
  // whose name ends with "loss"), higher of any other. Of equal values the first one stays; one
  // that is not finite never counts.
  void Consider(int64_t step, const MetricsRecord& record);

  std::optional<int64_t> step() const { return step_; }

  // Whether there is a metric to choose by, and the record has no number of this name.
  bool IsMissingFrom(const MetricsRecord& record) const;

 private:
  std::string metric_;
  std::optional<int64_t> step_;
  double value_ = 0;
};

// Whether less is better: the metric's name ends with "loss".
bool IsLoss(const std::string& metric);

}  // namespace deduce
