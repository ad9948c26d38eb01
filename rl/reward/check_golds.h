// Gold answers of data, before anything is trained on them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/records/sample_encoder.h"

namespace deduce {

struct GoldReport {
  static constexpr size_t kMostListed = 5;

  int64_t num_problems = 0;
  struct List {
    int64_t num = 0;
    std::vector<std::string> first;  // a line for each of the first kMostListed, with `PATH:LINE`
  };
  List unreadable;  // unscorable
  List by_letters;  // not understood: only the same letters are right

  // One line for both; "" if there are none.
  std::string Text() const;
};

// IsGoldUnderstood for the answer of every problem, whose verifiers must be known. InvalidArgument
// if none can be read, as then nothing can be learned.
absl::StatusOr<GoldReport> CheckGolds(const std::vector<Prompt>& problems);

// The text of the report on a stream's problems; "" where there are none, as of a task. Errors:
// those of CheckGolds.
absl::StatusOr<std::string> RemarkOnGolds(const std::vector<Prompt>* problems);

}  // namespace deduce
