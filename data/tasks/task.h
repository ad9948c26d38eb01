// A procedural task family: an endless supply of problems whose answers can be checked by rule.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

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
};

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

}  // namespace deduce
