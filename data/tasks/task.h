// A procedural task family: an endless supply of problems whose answers can be checked by rule.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "configs/data.pb.h"

namespace deduce {

// Held-out problems never occur in the train split, whatever the seed.
enum class Split { kTrain, kHeldOut };

// A question with its gold answer. The unit of reinforcement learning data, from a task or a file.
struct Problem {
  std::string prompt;
  std::string answer;
  std::string verifier;       // the rule that compares answers: "chain_sum", "math"
  std::string language;       // script to reason in: "ascii", "chinese"; empty: none
  bool whole_prompt = false;  // the prompt holds its begin token, as a chat template writes it
  std::string where = {};     // PATH:LINE of a file; "" of a task
};

// kUnscorable: the rule cannot tell, for a fault of the data (a gold answer it cannot read). Never
// a reason to reward or punish.
enum class Verdict { kRight, kWrong, kUnscorable };

// A problem with a written-out solution.
struct Example {
  Problem problem;
  std::string completion;
};

// Every function is pure: the n-th item is a function of (config, seed, split, n). Thread-safe.
class Task {
 public:
  virtual ~Task() = default;

  virtual Problem MakeProblem(Split split, uint64_t n) const = 0;

  // A trace that solves problem n. With faults: guesses, forgotten and wrong steps, steps in the
  // other script and missing tags, at the rates of the config; without: right, in the problem's own
  // script.
  virtual std::string MakeCompletion(Split split, uint64_t n, bool with_faults) const = 0;

  // The longest texts the family can give, one example for each language: what a length limit is
  // checked against.
  virtual std::vector<Example> LongestExamples() const = 0;
};

// A field of TaskConfig that a task reads. Numbers lie in [min, max]; a text is for `create` to
// check.
struct TaskOption {
  const char* field;
  double min = 0;
  double max = 0;
};

// All that is known of a task by its name. Defined as a constant in the task's own file.
struct TaskKind {
  const char* name;
  const char* help;  // one line
  std::span<const TaskOption> options;

  // `config` names this task, sets no field outside `options` and holds their ranges; `where` is
  // its path. Error: InvalidArgument for rules between fields.
  absl::StatusOr<std::unique_ptr<Task>> (*create)(const TaskConfig& config, uint64_t seed,
                                                  const std::string& where);

  // Is the answer of a completion the problem's? Such a rule is a verifier, under the task's name.
  // Null for a task whose problems name another verifier.
  Verdict (*grade)(const Problem& problem, std::string_view completion) = nullptr;
};

}  // namespace deduce
