#include "rl/report/page_data.h"

#include <cmath>
#include <set>

#include "absl/strings/str_replace.h"
#include "nlohmann/json.hpp"

namespace deduce {
namespace {

using Json = nlohmann::json;

Json Columns(const StageMetrics& stage) {
  Json columns = {
      {"name", stage.name},     {"kind", stage.kind},        {"tokens_before", stage.tokens_before},
      {"steps", Json::array()}, {"metrics", Json::object()}, {"intervals", Json::object()}};
  std::set<std::string> metrics, intervals;
  for (const MetricPoint& point : stage.points) {
    columns["steps"].push_back(point.step);
    for (const auto& [name, value] : point.values) metrics.insert(name);
    for (const auto& [name, interval] : point.intervals) intervals.insert(name);
  }
  for (const std::string& name : metrics) {
    Json& column = columns["metrics"][name] = Json::array();
    for (const MetricPoint& point : stage.points) {
      const auto it = point.values.find(name);
      column.push_back(it == point.values.end() ? Json() : Json(it->second));
    }
  }
  for (const std::string& name : intervals) {
    Json& column = columns["intervals"][name] = Json::array();
    for (const MetricPoint& point : stage.points) {
      const auto it = point.intervals.find(name);
      column.push_back(it == point.intervals.end() ? Json() : Json(it->second));
    }
  }
  return columns;
}

Json SampleJson(const ReportedSample& shown) {
  const Sample& sample = shown.sample;
  Json json = {{"sample", sample.sample()},
               {"group", sample.group()},
               {"prompt", sample.prompt()},
               {"answer", sample.answer()},
               {"language", sample.language()},
               {"verdict", Sample::Verdict_Name(sample.verdict())},
               {"truncated", sample.status() == Sample::truncated},
               {"num_tokens", shown.num_tokens},
               {"tokens",
                std::vector<std::string>(sample.token_texts().begin(), sample.token_texts().end())},
               {"reward", sample.has_reward() ? Json(sample.reward()) : Json()},
               {"advantage", sample.has_advantage() ? Json(sample.advantage()) : Json()},
               {"rewards", Json::object()}};
  std::string joined;
  for (const std::string& token : sample.token_texts()) joined += token;
  // The tokens say it already, but for a special token at the end.
  if (joined.rfind(sample.completion(), 0) != 0) json["completion"] = sample.completion();
  for (const auto& [name, score] : sample.rewards()) json["rewards"][name] = score;
  Json& logprobs = json["logprobs"] = Json::array();
  for (const float logprob : sample.sampler_log_probs())
    logprobs.push_back(std::round(double{logprob} * 1e4) / 1e4);  // NaN is written as null
  return json;
}

Json StageSamplesJson(const StageSamples& stage) {
  Json json = {{"stage", stage.stage}, {"num_steps", stage.num_steps}, {"steps", Json::array()}};
  for (const StepSamples& step : stage.steps) {
    Json samples = Json::array();
    for (const ReportedSample& sample : step.samples) samples.push_back(SampleJson(sample));
    json["steps"].push_back(
        {{"step", step.step}, {"verdicts", step.verdicts}, {"samples", std::move(samples)}});
  }
  return json;
}

}  // namespace

std::string PageData(const std::vector<ReportedRun>& runs) {
  Json data = {{"limits",
                {{"steps", kMaxStepsPerStage},
                 {"samples", kMaxSamplesPerStep},
                 {"tokens", kMaxTokensPerSample}}},
               {"runs", Json::array()}};
  for (const ReportedRun& run : runs) {
    Json json = {{"name", run.metrics.name},
                 {"directory", run.metrics.directory},
                 {"stages", Json::array()},
                 {"samples", Json::array()}};
    for (const StageMetrics& stage : run.metrics.stages) json["stages"].push_back(Columns(stage));
    for (const StageSamples& stage : run.samples) {
      json["samples"].push_back(StageSamplesJson(stage));
    }
    data["runs"].push_back(std::move(json));
  }
  // In JSON these three stand only inside strings.
  return absl::StrReplaceAll(data.dump(-1, ' ', false, Json::error_handler_t::replace),
                             {{"<", "\\u003c"}, {">", "\\u003e"}, {"&", "\\u0026"}});
}

}  // namespace deduce
