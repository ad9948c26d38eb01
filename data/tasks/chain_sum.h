// Chain sums: several numbers added with every partial sum written out, in ASCII digits or Chinese
// numerals.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "configs/data.pb.h"
#include "data/tasks/numerals.h"
#include "data/tasks/task.h"

namespace deduce {

// prompt `37+85+46=?`, completion `<think>37+85=122;122+46=168</think><answer>168</answer>`; in
// Chinese the digits are written one by one (`\u4e09\u4e03` is 37).
class ChainSum : public Task {
 public:
  // Errors: InvalidArgument naming the field of `config` that is out of range.
  static absl::StatusOr<std::unique_ptr<Task>> Create(const TaskConfig& config, uint64_t seed,
                                                      const std::string& where);

  Problem MakeProblem(Split split, uint64_t n) const override;
  std::string MakeCompletion(Split split, uint64_t n, bool with_faults) const override;
  std::vector<Example> LongestExamples() const override;

  // The numbers of problem n, in order.
  std::vector<int64_t> Operands(Split split, uint64_t n) const;
  // What problem n is asked in.
  Script ScriptOf(Split split, uint64_t n) const;

 private:
  ChainSum(const TaskConfig& config, uint64_t seed);
  uint64_t Stream(Split split) const;

  TaskConfig config_;
  uint64_t train_stream_;
  uint64_t held_out_stream_;
};

}  // namespace deduce
