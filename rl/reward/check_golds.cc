#include "rl/reward/check_golds.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "configs/status.h"
#include "rl/reward/registry.h"

namespace deduce {
namespace {

constexpr size_t kLongestListed = 80;  // bytes of an answer

std::string ListText(const GoldReport::List& list, int64_t num_problems, const char* what) {
  if (list.num == 0) return "";
  return absl::StrCat(list.num, " of ", num_problems, " answers ", what, ": ",
                      absl::StrJoin(list.first, "; "),
                      list.num > static_cast<int64_t>(list.first.size()) ? "; ..." : "");
}

void Add(GoldReport::List& list, std::string line) {
  ++list.num;
  if (list.first.size() < GoldReport::kMostListed) list.first.push_back(std::move(line));
}

}  // namespace

std::string GoldReport::Text() const {
  const std::string bad =
      ListText(unreadable, num_problems, "cannot be read, so that their problems are unscorable");
  const std::string letters = ListText(
      by_letters, num_problems, "are not understood, so that only the same letters are right");
  return absl::StrCat(bad, bad.empty() || letters.empty() ? "" : "; ", letters);
}

absl::StatusOr<GoldReport> CheckGolds(const std::vector<Prompt>& problems) {
  GoldReport report{.num_problems = static_cast<int64_t>(problems.size())};
  for (const Prompt& prompt : problems) {
    const Problem& problem = prompt.problem;
    const absl::StatusOr<bool> understood = IsGoldUnderstood(problem.verifier, problem.answer);
    if (!understood.ok()) {
      Add(report.unreadable, absl::StrCat(problem.where, ": ", understood.status().message()));
    } else if (!*understood) {
      Add(report.by_letters,
          absl::StrCat(problem.where, ": \"",
                       absl::Utf8SafeCEscape(problem.answer.substr(0, kLongestListed)), "\""));
    }
  }
  if (report.unreadable.num > 0 && report.unreadable.num == report.num_problems) {
    return absl::InvalidArgumentError(absl::StrCat(
        report.unreadable.first[0], ", as is true of all ", report.num_problems, " problems"));
  }
  return report;
}

absl::StatusOr<std::string> RemarkOnGolds(const std::vector<Prompt>* problems) {
  if (problems == nullptr) return std::string();
  ASSIGN_OR_RETURN(const GoldReport report, CheckGolds(*problems));
  return report.Text();
}

}  // namespace deduce
