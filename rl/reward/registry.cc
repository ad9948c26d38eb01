#include "rl/reward/registry.h"

#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "data/tasks/registry.h"
#include "rl/reward/accuracy.h"
#include "rl/reward/format.h"
#include "rl/reward/language.h"
#include "rl/reward/math_answer.h"
#include "rl/reward/task_rule.h"

namespace deduce {
namespace {

template <typename Kind>
std::unique_ptr<Verifier> Make() {
  return std::make_unique<Kind>();
}

// The accuracy verifier knows all that compare answers; it is none of them.
std::unique_ptr<Verifier> MakeAccuracy() {
  std::map<std::string, std::shared_ptr<const Verifier>> rules;
  for (const VerifierKind& kind : VerifierKinds()) {
    if (kind.compares_answers) rules[kind.name] = kind.make();
  }
  return std::make_unique<AccuracyVerifier>(std::move(rules));
}

std::vector<VerifierKind> ListKinds() {
  std::vector<VerifierKind> kinds = {
      {"accuracy", "the problem's own verifier, named by its task or its data line", false,
       MakeAccuracy},
      {"format", "<think>...</think><answer>...</answer>, each tag once", false,
       Make<FormatVerifier>},
      {"language", "share of numerals in the script of the question", false,
       Make<LanguageVerifier>},
      {"math", "mathematical answers by value, found in boxes, formulas and prose", true,
       Make<MathVerifier>},
  };
  for (const TaskKind* task : TaskKinds()) {
    if (task->grade == nullptr) continue;
    kinds.push_back({task->name, absl::StrCat("answers of the task ", task->name), true,
                     [task] { return std::make_unique<TaskRule>(*task); }});
  }
  return kinds;
}

}  // namespace

const std::vector<VerifierKind>& VerifierKinds() {
  static const std::vector<VerifierKind> kKinds = ListKinds();
  return kKinds;
}

std::vector<std::string> AnswerVerifiers() {
  std::vector<std::string> names;
  for (const VerifierKind& kind : VerifierKinds()) {
    if (kind.compares_answers) names.push_back(kind.name);
  }
  return names;
}

absl::StatusOr<std::unique_ptr<Verifier>> MakeVerifier(const std::string& name,
                                                       const std::string& where) {
  std::vector<std::string> known;
  for (const VerifierKind& kind : VerifierKinds()) {
    if (kind.name == name) return kind.make();
    known.push_back(kind.name);
  }
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": found \"", name, "\", expected one of ", absl::StrJoin(known, ", ")));
}

absl::StatusOr<bool> IsGoldUnderstood(const std::string& verifier, const std::string& gold) {
  static const std::unique_ptr<Verifier> kAccuracy = MakeAccuracy();
  const Problem problem{.answer = gold, .verifier = verifier};
  const std::string completion = absl::StrCat("<answer>", gold, "</answer>");
  const Grade grade = kAccuracy->Verify(problem, completion);
  if (grade.verdict == Verdict::kRight) return grade.reason != std::string_view(kByLetters);
  return absl::InvalidArgumentError(
      absl::StrCat("found the answer \"", absl::Utf8SafeCEscape(gold.substr(0, 80)),
                   "\", expected one that the verifier ", verifier, " can read"));
}

}  // namespace deduce
