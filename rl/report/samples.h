// The rollout tables of a run, thinned to what one page can carry.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/records/sample.pb.h"

namespace deduce {

// The page states these limits.
inline constexpr int64_t kMaxStepsPerStage = 40;
inline constexpr int64_t kMaxSamplesPerStep = 16;
inline constexpr int64_t kMaxTokensPerSample = 2000;

// One rollout. A number that was logged as null (an unscorable sample has no reward) is unset, or
// NaN among others.
struct ReportedSample {
  Sample sample;           // with at most kMaxTokensPerSample texts of tokens; no ids
  int64_t num_tokens = 0;  // before they were cut
};

struct StepSamples {
  int64_t step = 0;
  std::map<std::string, int64_t> verdicts =
      {};                                    // how many samples of the whole step got each verdict
  std::vector<ReportedSample> samples = {};  // the first kMaxSamplesPerStep
};

struct StageSamples {
  std::string stage;
  int64_t num_steps = 0;  // step files found
  std::vector<StepSamples> steps =
      {};  // rising; at most kMaxStepsPerStage, evenly spaced, first and last among them
};

// `limit` of the indices 0..count-1, evenly spaced with both ends, rising; all of them when there
// are no more.
std::vector<int64_t> EvenlySpaced(int64_t count, int64_t limit);

// Reads RUN_DIR/rollouts/STAGE/STEP.jsonl for the named stages, in their order; stages without
// rollouts are left out. Files not named by digits are not step files. Errors: InvalidArgument
// "PATH:LINE: found X, expected Y" for a broken line of a chosen file.
absl::StatusOr<std::vector<StageSamples>> ReadSamples(const std::string& run_dir,
                                                      const std::vector<std::string>& stages);

}  // namespace deduce
