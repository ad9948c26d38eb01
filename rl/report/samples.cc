#include "rl/report/samples.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "rl/report/json_lines.h"

namespace deduce {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// Fields that a page can do without are read when they are there; of the wrong type they are errors
// all the same.
absl::Status ReadNumber(const std::string& where, const std::string& key, const Json& value,
                        std::optional<double>* number) {
  if (value.is_number()) {
    *number = value.get<double>();
  } else if (!value.is_null()) {
    return FieldError(where, key, value, "a number");
  }
  return absl::OkStatus();
}

absl::Status ReadTokens(const std::string& where, const Json& object, ReportedSample* sample) {
  const auto tokens = object.find("tokens");
  if (tokens == object.end()) return absl::OkStatus();
  if (!tokens->is_array()) return FieldError(where, "tokens", *tokens, "an array of strings");
  const auto logprobs = object.find("logprobs");
  const bool has_logprobs = logprobs != object.end();
  if (has_logprobs && (!logprobs->is_array() || logprobs->size() != tokens->size())) {
    return FieldError(where, "logprobs", *logprobs,
                      absl::StrCat("an array of ", tokens->size(), " numbers, one a token"));
  }
  sample->num_tokens = static_cast<int64_t>(tokens->size());
  const int64_t kept = std::min(sample->num_tokens, kMaxTokensPerSample);
  for (int64_t i = 0; i < kept; ++i) {
    if (!(*tokens)[i].is_string()) {
      return FieldError(where, absl::StrCat("tokens[", i, "]"), (*tokens)[i], "a string");
    }
    sample->tokens.push_back((*tokens)[i].get<std::string>());
    if (!has_logprobs) continue;
    sample->logprobs.emplace_back();
    RETURN_IF_ERROR(ReadNumber(where, absl::StrCat("logprobs[", i, "]"), (*logprobs)[i],
                               &sample->logprobs.back()));
  }
  return absl::OkStatus();
}

absl::Status ReadRewards(const std::string& where, const Json& object, ReportedSample* sample) {
  for (auto [key, number] :
       {std::pair("reward", &sample->reward), std::pair("advantage", &sample->advantage)}) {
    if (object.contains(key)) RETURN_IF_ERROR(ReadNumber(where, key, object[key], number));
  }
  const auto rewards = object.find("rewards");
  if (rewards == object.end()) return absl::OkStatus();
  if (!rewards->is_object()) {
    return FieldError(where, "rewards", *rewards, "an object of numbers by verifier");
  }
  for (const auto& [name, value] : rewards->items()) {
    RETURN_IF_ERROR(
        ReadNumber(where, absl::StrCat("rewards.", name), value, &sample->rewards[name]));
  }
  return absl::OkStatus();
}

absl::StatusOr<ReportedSample> ReadSample(const std::string& where, const Json& object) {
  ReportedSample sample;
  RETURN_IF_ERROR(ReadString(where, object, "prompt", &sample.prompt));
  RETURN_IF_ERROR(ReadString(where, object, "completion", &sample.completion));
  RETURN_IF_ERROR(ReadString(where, object, "verdict", &sample.verdict));
  if (sample.verdict != "right" && sample.verdict != "wrong" && sample.verdict != "unscorable") {
    return FieldError(where, "verdict", sample.verdict, "right, wrong or unscorable");
  }
  for (auto [key, text] :
       {std::pair("answer", &sample.answer), std::pair("language", &sample.language)}) {
    if (object.contains(key)) RETURN_IF_ERROR(ReadString(where, object, key, text));
  }
  for (auto [key, count] :
       {std::pair("sample", &sample.sample), std::pair("group", &sample.group)}) {
    if (object.contains(key)) RETURN_IF_ERROR(ReadCount(where, object, key, count));
  }
  const auto truncated = object.find("truncated");
  if (truncated != object.end()) {
    if (!truncated->is_boolean()) {
      return FieldError(where, "truncated", *truncated, "true or false");
    }
    sample.truncated = truncated->get<bool>();
  }
  RETURN_IF_ERROR(ReadTokens(where, object, &sample));
  RETURN_IF_ERROR(ReadRewards(where, object, &sample));
  return sample;
}

absl::StatusOr<StepSamples> ReadStep(int64_t step, const std::string& path) {
  StepSamples samples{.step = step};
  RETURN_IF_ERROR(
      ForEachJsonLine(path, [&](const std::string& where, const Json& object) -> absl::Status {
        ASSIGN_OR_RETURN(ReportedSample sample, ReadSample(where, object));
        ++samples.verdicts[sample.verdict];
        if (static_cast<int64_t>(samples.samples.size()) < kMaxSamplesPerStep) {
          samples.samples.push_back(std::move(sample));
        }
        return absl::OkStatus();
      }));
  return samples;
}

// Step files of a folder, by step; none when there is no such folder.
std::map<int64_t, std::string> StepFiles(const fs::path& folder) {
  std::map<int64_t, std::string> files;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    int64_t step = 0;
    if (it->path().extension() == ".jsonl" && absl::SimpleAtoi(it->path().stem().string(), &step) &&
        step >= 0) {
      files[step] = it->path().string();
    }
  }
  return files;
}

}  // namespace

std::vector<int64_t> EvenlySpaced(int64_t count, int64_t limit) {
  std::vector<int64_t> indices;
  const int64_t taken = std::min(count, limit);
  for (int64_t i = 0; i < taken; ++i) {
    indices.push_back(taken == 1 ? 0 : i * (count - 1) / (taken - 1));
  }
  return indices;
}

absl::StatusOr<std::vector<StageSamples>> ReadSamples(const std::string& run_dir,
                                                      const std::vector<std::string>& stages) {
  std::vector<StageSamples> result;
  for (const std::string& stage : stages) {
    const std::map<int64_t, std::string> files = StepFiles(fs::path(run_dir) / "rollouts" / stage);
    if (files.empty()) continue;
    const std::vector<std::pair<int64_t, std::string>> sorted(files.begin(), files.end());
    StageSamples samples{.stage = stage, .num_steps = static_cast<int64_t>(sorted.size())};
    for (int64_t index : EvenlySpaced(samples.num_steps, kMaxStepsPerStage)) {
      const auto& [step, path] = sorted[index];
      ASSIGN_OR_RETURN(StepSamples step_samples, ReadStep(step, path));
      samples.steps.push_back(std::move(step_samples));
    }
    result.push_back(std::move(samples));
  }
  return result;
}

}  // namespace deduce
