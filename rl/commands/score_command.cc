#include "rl/commands/score_command.h"

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "configs/exit_code.h"
#include "configs/status.h"
#include "data/text/strict_json.h"
#include "rl/commands/for_each_line.h"
#include "rl/reward/registry.h"

namespace deduce {
namespace {

constexpr char kJsonLine[] = "{\"answer\": \"...\", \"completion\": \"...\"}";

absl::Status BadLine(const std::string& where, const std::string& found,
                     const std::string& expected) {
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": found ", found, ", expected ", expected));
}

const char* VerdictName(Verdict verdict) {
  return verdict == Verdict::kRight ? "right" : verdict == Verdict::kWrong ? "wrong" : "unscorable";
}

// The text in a field; a number's is its own.
absl::StatusOr<std::string> TextField(const nlohmann::json& line, const char* name,
                                      const std::string& where) {
  const auto field = line.find(name);
  if (field == line.end()) {
    return BadLine(where, absl::StrCat("no field \"", name, "\""), kJsonLine);
  }
  if (field->is_string()) return field->get<std::string>();
  if (field->is_number()) return field->dump();
  return BadLine(where, absl::StrCat(field->type_name(), " in field \"", name, "\""), kJsonLine);
}

absl::Status ScoreJsonLines(const Verifier& verifier, const std::string& path, std::ostream& out) {
  return ForEachLine(
      path, out, [&](const std::string& text, const std::string& where) -> absl::Status {
        ASSIGN_OR_RETURN(const nlohmann::json line,
                         ParseJson<nlohmann::json>(text, where, kJsonLine));
        if (!line.is_object()) return BadLine(where, "no JSON object", kJsonLine);
        Problem problem{.verifier = verifier.name()};
        ASSIGN_OR_RETURN(problem.answer, TextField(line, "answer", where));
        ASSIGN_OR_RETURN(const std::string completion, TextField(line, "completion", where));
        const Grade grade = verifier.Verify(problem, completion);
        nlohmann::ordered_json result = {{"verdict", VerdictName(grade.verdict)}};
        if (*grade.reason != 0) result["reason"] = grade.reason;
        out << result.dump() << '\n';
        return absl::OkStatus();
      });
}

absl::Status ScoreTabLines(const Verifier& verifier, const std::string& path, std::ostream& out) {
  return ForEachLine(
      path, out, [&](const std::string& line, const std::string& where) -> absl::Status {
        const size_t tab = line.find('\t');
        if (tab == line.npos) return BadLine(where, "no tab", "gold<TAB>answer");
        const Problem problem{.answer = line.substr(0, tab), .verifier = verifier.name()};
        const std::string completion = line.substr(tab + 1);
        Grade grade = verifier.Verify(problem, completion);
        if (grade.reason == std::string(kNoAnswer) && completion.find("<answer>") == line.npos) {
          grade = verifier.Verify(problem, absl::StrCat("<answer>", completion, "</answer>"));
        }
        out << VerdictName(grade.verdict) << '\n';
        return absl::OkStatus();
      });
}

}  // namespace

absl::Status ScoreCommand(const Arguments& arguments, std::ostream& out) {
  const std::string name = arguments.Text("verifier");
  const std::vector<std::string> known = AnswerVerifiers();
  if (std::find(known.begin(), known.end(), name) == known.end()) {
    return WithExitCode(
        BadLine("--verifier", absl::StrCat("\"", name, "\""), absl::StrJoin(known, " or ")),
        ExitCode::kBadConfig);
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<Verifier> verifier, MakeVerifier(name));
  const std::string path = arguments.Text("input");
  return WithExitCode(path.ends_with(".jsonl") ? ScoreJsonLines(*verifier, path, out)
                                               : ScoreTabLines(*verifier, path, out),
                      ExitCode::kBadData);
}

}  // namespace deduce
