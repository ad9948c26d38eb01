#include "rl/report/samples.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/records/json_lines.h"
#include "data/records/sample_table.h"

namespace deduce {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// What the page shows of a sample.
ReportedSample Shown(Sample sample) {
  ReportedSample shown{.num_tokens = sample.token_texts_size()};
  const int excess = static_cast<int>(shown.num_tokens - kMaxTokensPerSample);
  if (excess > 0) {
    const auto most = static_cast<int>(kMaxTokensPerSample);
    sample.mutable_token_texts()->DeleteSubrange(most, excess);
    if (!sample.sampler_log_probs().empty()) sample.mutable_sampler_log_probs()->Truncate(most);
  }
  sample.clear_prompt_tokens();
  sample.clear_completion_tokens();
  shown.sample = std::move(sample);
  return shown;
}

absl::StatusOr<StepSamples> ReadStep(int64_t step, const std::string& path) {
  StepSamples samples{.step = step};
  RETURN_IF_ERROR(
      ForEachJsonLine(path, [&](const std::string& where, const Json& object) -> absl::Status {
        ASSIGN_OR_RETURN(Sample sample, SampleFromJson(where, object));
        ++samples.verdicts[Sample::Verdict_Name(sample.verdict())];
        if (static_cast<int64_t>(samples.samples.size()) < kMaxSamplesPerStep) {
          samples.samples.push_back(Shown(std::move(sample)));
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
