#include "rl/report/run_data.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "configs/status.h"
#include "data/records/json_lines.h"

namespace deduce {
namespace {

using Json = nlohmann::json;
constexpr char kIntervalSuffix[] = "_ci95";

// The point that a line of this stage and step belongs to.
MetricPoint& PointAt(int64_t step, StageMetrics* stage) {
  auto& points = stage->points;
  if (!points.empty() && step < points.back().step) {
    points.erase(std::find_if(points.begin(), points.end(),
                              [&](const MetricPoint& point) { return point.step >= step; }),
                 points.end());
  }
  if (points.empty() || points.back().step < step) points.push_back({.step = step});
  return points.back();
}

absl::Status ReadInterval(const std::string& where, const std::string& key, const Json& value,
                          const Json& object, MetricPoint* point) {
  const std::string metric(absl::StripSuffix(key, kIntervalSuffix));
  const auto centre = object.find(metric);
  if (value.is_null() || (centre != object.end() && centre->is_null())) return absl::OkStatus();
  if (value.is_array() && value.size() == 2 && value[0].is_number() && value[1].is_number()) {
    point->intervals[metric] = {value[0].get<double>(), value[1].get<double>()};
    return absl::OkStatus();
  }
  if (!value.is_number()) {
    return FieldError(where, key, value, "a half-width or a pair [low, high]");
  }
  if (centre == object.end() || !centre->is_number()) {
    return FieldError(where, key, value, absl::StrCat("the number ", metric, " beside it"));
  }
  const double half = value.get<double>();
  point->intervals[metric] = {centre->get<double>() - half, centre->get<double>() + half};
  return absl::OkStatus();
}

absl::Status ReadField(const std::string& where, const std::string& key, const Json& value,
                       const Json& object, MetricPoint* point) {
  if (key == "stage" || key == "stage_kind" || key == "step") return absl::OkStatus();
  if (absl::EndsWith(key, kIntervalSuffix)) {
    return ReadInterval(where, key, value, object, point);
  }
  if (key == "weights_hash") return ReadString(where, object, key, &point->weights_hash);
  if (value.is_number()) {
    point->values[key] = value.get<double>();
  } else if (!value.is_null() && !value.is_string()) {
    return FieldError(where, key, value, "a number");
  }
  return absl::OkStatus();
}

absl::Status ReadLine(const std::string& where, const Json& object, RunMetrics* run) {
  std::string name, kind;
  int64_t step = 0;
  RETURN_IF_ERROR(ReadString(where, object, "stage", &name));
  RETURN_IF_ERROR(ReadString(where, object, "stage_kind", &kind));
  RETURN_IF_ERROR(ReadCount(where, object, "step", &step));
  auto stage = std::find_if(run->stages.begin(), run->stages.end(),
                            [&](const StageMetrics& seen) { return seen.name == name; });
  if (stage == run->stages.end()) {
    stage = run->stages.insert(run->stages.end(), StageMetrics{.name = name, .kind = kind});
  }
  if (stage->kind != kind) {
    return FieldError(where, "stage_kind", kind,
                      absl::StrCat("\"", stage->kind, "\" as on the stage's earlier lines"));
  }
  MetricPoint& point = PointAt(step, &*stage);
  for (const auto& [key, value] : object.items()) {
    RETURN_IF_ERROR(ReadField(where, key, value, object, &point));
  }
  return absl::OkStatus();
}

// num_tokens counts on over the stages of a run; a stage that began again at 0 is taken as it is.
void FindTokensBefore(RunMetrics* run) {
  double end_of_previous = 0;
  for (StageMetrics& stage : run->stages) {
    const std::optional<double> first = stage.First("num_tokens");
    if (!first) continue;
    stage.tokens_before = *first >= end_of_previous ? end_of_previous : 0;
    end_of_previous = *stage.Last("num_tokens");
  }
}

}  // namespace

std::optional<double> StageMetrics::First(const std::string& metric) const {
  for (const MetricPoint& point : points) {
    const auto it = point.values.find(metric);
    if (it != point.values.end()) return it->second;
  }
  return std::nullopt;
}

std::optional<double> StageMetrics::Last(const std::string& metric) const {
  for (auto point = points.rbegin(); point != points.rend(); ++point) {
    const auto it = point->values.find(metric);
    if (it != point->values.end()) return it->second;
  }
  return std::nullopt;
}

double StageMetrics::Tokens() const {
  const std::optional<double> last = Last("num_tokens");
  return last ? *last - tokens_before : 0;
}

double StageMetrics::Seconds() const {
  double seconds = 0;
  for (const MetricPoint& point : points) {
    const auto it = point.values.find("step_time");
    if (it != point.values.end()) seconds += it->second;
  }
  return seconds;
}

absl::StatusOr<RunMetrics> ReadRunMetrics(const std::string& run_dir) {
  namespace fs = std::filesystem;
  RunMetrics run;
  run.directory = run_dir;
  fs::path normal = fs::path(run_dir).lexically_normal();
  if (!normal.has_filename()) normal = normal.parent_path();
  run.name = normal.filename().string();
  const std::string path = (fs::path(run_dir) / "metrics.jsonl").string();
  RETURN_IF_ERROR(ForEachJsonLine(path, [&](const std::string& where, const Json& object) {
    return ReadLine(where, object, &run);
  }));
  if (run.stages.empty()) {
    return absl::NotFoundError(
        absl::StrCat(path, ": found no finished line, expected the metrics of a run"));
  }
  FindTokensBefore(&run);
  return run;
}

}  // namespace deduce
