// Two numbers and an operator, asked in words: for language models that have seen such questions.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "configs/data.pb.h"
#include "data/tasks/task.h"

namespace deduce {

// Prompt `What is 37 + 85?`, completion `37 + 85 = 122`; graded by the verifier "math". Differences
// may be negative.
class Arithmetic : public Task {
 public:
  // Uses min_digits, max_digits and operators. Errors: InvalidArgument naming the field of `config`
  // that is out of range, or set though this task has no use for it.
  static absl::StatusOr<std::unique_ptr<Task>> Create(const TaskConfig& config, uint64_t seed,
                                                      const std::string& where);

  Problem MakeProblem(Split split, uint64_t n) const override;
  std::string MakeCompletion(Split split, uint64_t n, bool with_faults) const override;
  std::vector<Example> LongestExamples() const override;

 private:
  struct Question {
    int64_t left, right;
    char op;
  };
  Arithmetic(const TaskConfig& config, uint64_t seed);
  Question Draw(Split split, uint64_t n) const;
  static Example Write(const Question& question);

  TaskConfig config_;
  uint64_t train_stream_, held_out_stream_;
};

}  // namespace deduce
