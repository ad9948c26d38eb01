#include "rl/reward/check_golds.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "configs/status.h"
#include "rl/reward/registry.h"

namespace deduce {

std::string GoldReport::Text() const {
  if (num_unreadable == 0) return "";
  return absl::StrCat(num_unreadable, " of ", num_problems,
                      " answers cannot be read, so that their problems are unscorable: ",
                      absl::StrJoin(first, "; "),
                      num_unreadable > static_cast<int64_t>(first.size()) ? "; ..." : "");
}

absl::StatusOr<GoldReport> CheckGolds(const std::vector<Prompt>& problems) {
  GoldReport report{.num_problems = static_cast<int64_t>(problems.size())};
  for (const Prompt& prompt : problems) {
    const absl::Status status = CheckGold(prompt.problem.verifier, prompt.problem.answer);
    if (status.ok()) continue;
    ++report.num_unreadable;
    if (report.first.size() < GoldReport::kMostListed) {
      report.first.push_back(absl::StrCat(prompt.problem.where, ": ", status.message()));
    }
  }
  if (report.num_unreadable > 0 && report.num_unreadable == report.num_problems) {
    return absl::InvalidArgumentError(
        absl::StrCat(report.first[0], ", as is true of all ", report.num_problems, " problems"));
  }
  return report;
}

absl::StatusOr<std::string> RemarkOnGolds(const std::vector<Prompt>* problems) {
  if (problems == nullptr) return std::string();
  ASSIGN_OR_RETURN(const GoldReport report, CheckGolds(*problems));
  return report.Text();
}

}  // namespace deduce
