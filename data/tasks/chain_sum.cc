// Chain sums: several numbers added with every partial sum written out, in ASCII digits or Chinese
// numerals.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/tasks/extract_answer.h"
#include "data/tasks/held_out.h"
#include "data/tasks/numerals.h"
#include "data/tasks/task.h"
#include "kernels/random.h"

namespace deduce {
namespace {

// Where a problem's random numbers stand in its split's stream, at (problem, slot). Operands take
// kSlotsPerDraw slots for every draw until one belongs to the split.
constexpr uint64_t kSlotsPerDraw = 256;
constexpr uint64_t kLanguageSlot = uint64_t{1} << 62;
constexpr uint64_t kTagSlot = kLanguageSlot + 1;    // and the next
constexpr uint64_t kHabitSlot = kLanguageSlot + 4;  // and the next two
constexpr uint64_t kStepSlot = kLanguageSlot + 8;   // four a step

constexpr int64_t kMaxTerms = 100;  // so that a draw fits its slots
constexpr int64_t kMaxDigits = 15;  // so that sums stay far inside 64 bits

constexpr int64_t kLargestGuessError = 20;

constexpr std::array<const char*, 4> kTags = {"<think>", "</think>", "<answer>", "</answer>"};

// The faults of one written-out step.
struct StepFault {
  int64_t error = 0;  // added to the result
  bool other_script = false;
};

struct Faults {
  std::vector<StepFault> steps;  // one for each step that is written
  std::optional<size_t> missing_tag;
  std::optional<StepFault> guess;  // instead of all steps: what is wrong with the answer
};

Faults Sound(size_t num_steps) { return {.steps = std::vector<StepFault>(num_steps)}; }

int64_t PowerOfTen(int64_t exponent) {
  int64_t power = 1;
  for (int64_t i = 0; i < exponent; ++i) power *= 10;
  return power;
}

Script Other(Script script) { return script == Script::kAscii ? Script::kChinese : Script::kAscii; }

Faults DrawFaults(const TaskConfig& config, uint64_t stream, uint64_t n, size_t num_steps) {
  static constexpr int64_t kErrors[] = {1, -1, 10, -10};
  Faults faults = Sound(num_steps);
  for (size_t i = 0; i < num_steps; ++i) {
    const uint64_t slot = kStepSlot + 4 * i;
    if (RandomUniform(stream, n, slot) < config.step_error_rate()) {
      faults.steps[i].error = kErrors[RandomInteger(stream, n, slot + 1, 4)];
    }
    faults.steps[i].other_script = RandomUniform(stream, n, slot + 2) < config.mix_rate();
  }
  if (RandomUniform(stream, n, kTagSlot) < config.format_error_rate()) {
    faults.missing_tag = RandomInteger(stream, n, kTagSlot + 1, kTags.size());
  }
  const double habit = RandomUniform(stream, n, kHabitSlot);
  if (habit < config.guess_rate()) {
    const int64_t size =
        1 + static_cast<int64_t>(RandomInteger(stream, n, kHabitSlot + 1, kLargestGuessError));
    const bool too_small = RandomInteger(stream, n, kHabitSlot + 2, 2) == 0;
    faults.guess = {too_small ? -size : size, faults.steps[0].other_script};
    faults.steps.clear();
  } else if (habit < config.guess_rate() + config.early_stop_rate()) {
    faults.steps.pop_back();
  }
  return faults;
}

std::string WritePrompt(const std::vector<int64_t>& operands, Script script) {
  std::string prompt;
  for (const int64_t operand : operands) {
    absl::StrAppend(&prompt, prompt.empty() ? "" : "+", WriteNumeral(operand, script));
  }
  return prompt + "=?";
}

// The right result with `fault` applied; numbers stay at or above 0.
int64_t Spoil(int64_t right, const StepFault& fault) {
  return right + (right + fault.error < 0 ? -fault.error : fault.error);
}

// Steps after a wrong one go on from its wrong result; the answer is the last step's result in the
// last step's script, or the guess.
std::string WriteTrace(const std::vector<int64_t>& operands, Script script, const Faults& faults) {
  const auto tag = [&](size_t i) { return faults.missing_tag == i ? "" : kTags[i]; };
  const auto script_of = [&](const StepFault& fault) {
    return fault.other_script ? Other(script) : script;
  };
  std::string trace(tag(0));
  int64_t sum = operands[0];
  Script written = script;
  for (size_t i = 0; i < faults.steps.size(); ++i) {
    written = script_of(faults.steps[i]);
    const int64_t result = Spoil(sum + operands[i + 1], faults.steps[i]);
    absl::StrAppend(&trace, i == 0 ? "" : ";", WriteNumeral(sum, written), "+",
                    WriteNumeral(operands[i + 1], written), "=", WriteNumeral(result, written));
    sum = result;
  }
  if (faults.guess) {
    written = script_of(*faults.guess);
    sum = Spoil(std::accumulate(operands.begin(), operands.end(), int64_t{0}), *faults.guess);
  }
  absl::StrAppend(&trace, tag(1), tag(2), WriteNumeral(sum, written), tag(3));
  return trace;
}

Problem WriteProblem(const std::vector<int64_t>& operands, Script script) {
  const int64_t sum = std::accumulate(operands.begin(), operands.end(), int64_t{0});
  return {.prompt = WritePrompt(operands, script),
          .answer = WriteNumeral(sum, script),
          .verifier = "chain_sum",
          .language = script == Script::kAscii ? "ascii" : "chinese"};
}

// Prompt `37+85+46=?`, completion `<think>37+85=122;122+46=168</think><answer>168</answer>`; in
// Chinese the digits are written one by one (`\u4e09\u4e03` is 37).
class ChainSum : public Task {
 public:
  static absl::StatusOr<std::unique_ptr<Task>> Create(const TaskConfig& config, uint64_t seed,
                                                      const std::string& where);

  Problem MakeProblem(Split split, uint64_t n) const override;
  std::string MakeCompletion(Split split, uint64_t n, bool with_faults) const override;
  std::vector<Example> LongestExamples() const override;

 private:
  ChainSum(const TaskConfig& config, uint64_t seed)
      : config_(config),
        train_stream_(RandomStream(seed, "chain_sum/train")),
        held_out_stream_(RandomStream(seed, "chain_sum/held_out")) {}
  uint64_t Stream(Split split) const;
  // The numbers of problem n, in order.
  std::vector<int64_t> Operands(Split split, uint64_t n) const;
  // The script that problem n is asked in.
  Script ScriptOf(Split split, uint64_t n) const;

  TaskConfig config_;
  uint64_t train_stream_;
  uint64_t held_out_stream_;
};

absl::StatusOr<std::unique_ptr<Task>> ChainSum::Create(const TaskConfig& config, uint64_t seed,
                                                       const std::string& where) {
  const auto check = [&](const char* field, auto value, auto least, auto most) {
    if (value >= least && value <= most) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(where, ".", field, ": found ", value, ", expected ", least, " to ", most));
  };
  RETURN_IF_ERROR(check("max_terms", config.max_terms(), config.min_terms(), kMaxTerms));
  RETURN_IF_ERROR(check("max_digits", config.max_digits(), config.min_digits(), kMaxDigits));
  RETURN_IF_ERROR(check("early_stop_rate", config.early_stop_rate(), 0.0, 1 - config.guess_rate()));
  return absl::WrapUnique<Task>(new ChainSum(config, seed));
}

uint64_t ChainSum::Stream(Split split) const {
  return split == Split::kTrain ? train_stream_ : held_out_stream_;
}

std::vector<int64_t> ChainSum::Operands(Split split, uint64_t n) const {
  const uint64_t stream = Stream(split);
  const auto draw = [&](uint64_t slot, int64_t least, int64_t most) {
    return least + static_cast<int64_t>(
                       RandomInteger(stream, n, slot, static_cast<uint64_t>(most - least + 1)));
  };
  for (uint64_t slot = 0;; slot += kSlotsPerDraw) {
    std::vector<int64_t> operands(draw(slot, config_.min_terms(), config_.max_terms()));
    for (size_t i = 0; i < operands.size(); ++i) {
      const int64_t digits = draw(slot + 1 + 2 * i, config_.min_digits(), config_.max_digits());
      const int64_t least = digits == 1 ? 0 : PowerOfTen(digits - 1);
      operands[i] = draw(slot + 2 + 2 * i, least, PowerOfTen(digits) - 1);
    }
    if (IsHeldOut(operands) == (split == Split::kHeldOut)) return operands;
  }
}

Script ChainSum::ScriptOf(Split split, uint64_t n) const {
  const double draw = RandomUniform(Stream(split), n, kLanguageSlot);
  return draw < config_.chinese_share() ? Script::kChinese : Script::kAscii;
}

Problem ChainSum::MakeProblem(Split split, uint64_t n) const {
  return WriteProblem(Operands(split, n), ScriptOf(split, n));
}

std::string ChainSum::MakeCompletion(Split split, uint64_t n, bool with_faults) const {
  const std::vector<int64_t> operands = Operands(split, n);
  const size_t num_steps = operands.size() - 1;
  const Faults faults =
      with_faults ? DrawFaults(config_, Stream(split), n, num_steps) : Sound(num_steps);
  return WriteTrace(operands, ScriptOf(split, n), faults);
}

std::vector<Example> ChainSum::LongestExamples() const {
  const std::vector<int64_t> operands(config_.max_terms(), PowerOfTen(config_.max_digits()) - 1);
  // An error that adds can make a result one digit longer.
  const StepFault fault{.error = config_.step_error_rate() > 0 ? 10 : 0};
  Faults faults = Sound(operands.size() - 1);
  std::fill(faults.steps.begin(), faults.steps.end(), fault);
  std::vector<Example> examples;
  for (const Script script : {Script::kAscii, Script::kChinese}) {
    const double share = config_.chinese_share();
    if (script == Script::kAscii ? share == 1 : share == 0) continue;
    examples.push_back({WriteProblem(operands, script), WriteTrace(operands, script, faults)});
  }
  return examples;
}

// Right: a number in either script, equal to the gold answer.
Verdict GradeChainSum(const Problem& problem, std::string_view completion) {
  const std::optional<std::string> gold = ParseNumeral(problem.answer);
  if (!gold) return Verdict::kUnscorable;
  const std::string_view answer = ExtractAnswer(completion).value_or("");
  return ParseNumeral(answer) == gold ? Verdict::kRight : Verdict::kWrong;
}

constexpr TaskOption kChainSumOptions[] = {
    {"min_terms", 2, kMaxTerms},
    {"max_terms", 2, kMaxTerms},
    {"min_digits", 1, kMaxDigits},
    {"max_digits", 1, kMaxDigits},
    {"chinese_share", 0, 1},
    {"step_error_rate", 0, 1},
    {"mix_rate", 0, 1},
    {"format_error_rate", 0, 1},
    {"guess_rate", 0, 1},
    {"early_stop_rate", 0, 1},
};

}  // namespace

extern const TaskKind kChainSum = {
    .name = "chain_sum",
    .help = "numbers added with every partial sum written out, in one of two scripts",
    .options = kChainSumOptions,
    .create = ChainSum::Create,
    .grade = GradeChainSum,
};

}  // namespace deduce
