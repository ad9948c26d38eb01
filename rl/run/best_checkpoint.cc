#include "rl/run/best_checkpoint.h"

#include <cmath>
#include <variant>

namespace deduce {
namespace {

// The metric's value; nothing if the record has none, or another type of value.
std::optional<double> ValueIn(const MetricsRecord& record, const std::string& metric) {
  for (const auto& [name, value] : record) {
    if (name != metric) continue;
    if (const auto* real = std::get_if<double>(&value)) return *real;
    if (const auto* whole = std::get_if<int64_t>(&value)) return static_cast<double>(*whole);
  }
  return std::nullopt;
}

}  // namespace

bool IsLoss(const std::string& metric) { return metric.ends_with("loss"); }

BestCheckpoint BestCheckpoint::Of(const nlohmann::json& state, const CheckpointConfig& config) {
  BestCheckpoint best(config);
  const auto saved = state.find("best");
  if (saved == state.end() || !saved->is_object() || saved->value("metric", "") != best.metric_)
    return best;
  best.step_ = saved->value("step", int64_t{0});
  best.value_ = saved->value("value", 0.0);
  return best;
}

nlohmann::ordered_json BestCheckpoint::ToJson() const {
  return {{"metric", metric_}, {"step", *step_}, {"value", value_}};
}

void BestCheckpoint::Consider(int64_t step, const MetricsRecord& record) {
  const std::optional<double> value = ValueIn(record, metric_);
  if (!value || !std::isfinite(*value)) return;
  const bool better = IsLoss(metric_) ? *value < value_ : *value > value_;
  if (step_ && !better) return;
  step_ = step;
  value_ = *value;
}

bool BestCheckpoint::IsMissingFrom(const MetricsRecord& record) const {
  return !metric_.empty() && !ValueIn(record, metric_);
}

}  // namespace deduce
