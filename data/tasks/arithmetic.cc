// Two numbers and an operator, asked in words: for language models that have seen such questions.
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "data/tasks/held_out.h"
#include "data/tasks/task.h"
#include "kernels/random.h"

namespace deduce {
namespace {

constexpr uint64_t kNumbersPerDraw = 8;  // random numbers of a draw, until one belongs to the split
constexpr int64_t kMostDigits = 9;       // so that products stay inside 64 bits

int64_t Result(int64_t left, int64_t right, char op) {
  return op == '+' ? left + right : op == '-' ? left - right : left * right;
}

int64_t Largest(int64_t digits) { return std::llround(std::pow(10.0, digits)) - 1; }

absl::Status OutOfRange(const std::string& where, const char* field, const std::string& found,
                        const std::string& expected) {
  return absl::InvalidArgumentError(
      absl::StrCat(where, ".", field, ": found ", found, ", expected ", expected));
}

// Prompt `What is 37 + 85?`, completion `37 + 85 = 122`. Differences may be negative.
class Arithmetic : public Task {
 public:
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
  Arithmetic(const TaskConfig& config, uint64_t seed)
      : config_(config),
        train_stream_(RandomStream(seed, "arithmetic/train")),
        held_out_stream_(RandomStream(seed, "arithmetic/held_out")) {}
  Question Draw(Split split, uint64_t n) const;
  static Example Write(const Question& question);

  TaskConfig config_;
  uint64_t train_stream_, held_out_stream_;
};

absl::StatusOr<std::unique_ptr<Task>> Arithmetic::Create(const TaskConfig& config, uint64_t seed,
                                                         const std::string& where) {
  if (config.max_digits() < config.min_digits()) {
    return OutOfRange(where, "max_digits", absl::StrCat(config.max_digits()),
                      absl::StrCat(config.min_digits(), " to ", kMostDigits));
  }
  const std::string& operators = config.operators();
  if (operators.empty() || operators.find_first_not_of("+-*") != std::string::npos) {
    return OutOfRange(where, "operators", absl::StrCat("\"", operators, "\""), "some of + - *");
  }
  return absl::WrapUnique<Task>(new Arithmetic(config, seed));
}

Arithmetic::Question Arithmetic::Draw(Split split, uint64_t n) const {
  const uint64_t stream = split == Split::kTrain ? train_stream_ : held_out_stream_;
  const std::string& operators = config_.operators();
  for (uint64_t slot = 0;; slot += kNumbersPerDraw) {
    const auto number = [&](uint64_t at) {
      const int64_t digits =
          config_.min_digits() +
          static_cast<int64_t>(RandomInteger(
              stream, n, at,
              static_cast<uint64_t>(config_.max_digits() - config_.min_digits() + 1)));
      const int64_t least = digits == 1 ? 0 : Largest(digits - 1) + 1;
      return least + static_cast<int64_t>(RandomInteger(
                         stream, n, at + 1, static_cast<uint64_t>(Largest(digits) - least + 1)));
    };
    const Question question{number(slot), number(slot + 2),
                            operators[RandomInteger(stream, n, slot + 4, operators.size())]};
    const bool held_out = IsHeldOut({question.left, question.right, question.op});
    if (held_out == (split == Split::kHeldOut)) return question;
  }
}

Example Arithmetic::Write(const Question& question) {
  const std::string text =
      absl::StrCat(question.left, " ", std::string(1, question.op), " ", question.right);
  const int64_t result = Result(question.left, question.right, question.op);
  return {{.prompt = absl::StrCat("What is ", text, "?"),
           .answer = absl::StrCat(result),
           .verifier = "math"},
          absl::StrCat(text, " = ", result)};
}

Problem Arithmetic::MakeProblem(Split split, uint64_t n) const {
  return Write(Draw(split, n)).problem;
}

std::string Arithmetic::MakeCompletion(Split split, uint64_t n, bool) const {
  return Write(Draw(split, n)).completion;
}

std::vector<Example> Arithmetic::LongestExamples() const {
  const int64_t largest = Largest(config_.max_digits());
  std::vector<Example> examples;
  for (const char op : config_.operators()) examples.push_back(Write({largest, largest, op}));
  // A difference is longest with its sign.
  if (config_.operators().find('-') != std::string::npos) {
    examples.push_back(Write({0, largest, '-'}));
  }
  return examples;
}

constexpr TaskOption kArithmeticOptions[] = {
    {"min_digits", 1, kMostDigits}, {"max_digits", 1, kMostDigits}, {"operators"}};

}  // namespace

extern const TaskKind kArithmetic = {
    .name = "arithmetic",
    .help = "two numbers with + - or *, asked in words",
    .options = kArithmeticOptions,
    .create = Arithmetic::Create,
};

}  // namespace deduce
