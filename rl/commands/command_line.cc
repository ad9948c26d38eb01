#include "rl/commands/command_line.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "configs/status.h"

namespace deduce {
namespace {

absl::Status CheckValue(const Flag& flag, const std::string& value) {
  int64_t integer;
  double real;
  if (flag.kind == Flag::kInteger && !absl::SimpleAtoi(value, &integer)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--", flag.name, ": found \"", value, "\", expected a whole number"));
  }
  if (flag.kind == Flag::kReal && !(absl::SimpleAtod(value, &real) && std::isfinite(real))) {
    return absl::InvalidArgumentError(
        absl::StrCat("--", flag.name, ": found \"", value, "\", expected a number"));
  }
  return absl::OkStatus();
}

// How many letters are put in, taken out, changed or swapped with the next one between two words.
size_t Edits(const std::string& a, const std::string& b) {
  std::vector<std::vector<size_t>> edits(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        edits[i][j] = i + j;
        continue;
      }
      edits[i][j] = std::min({edits[i - 1][j] + 1, edits[i][j - 1] + 1,
                              edits[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        edits[i][j] = std::min(edits[i][j], edits[i - 2][j - 2] + 1);
    }
  }
  return edits[a.size()][b.size()];
}

absl::StatusOr<const Flag*> FindFlag(const CommandSpec& spec, const std::string& name) {
  std::vector<std::string> names;
  for (const Flag& flag : spec.flags) {
    if (flag.name == name) return &flag;
    names.push_back(flag.name);
  }
  const std::string nearest = Nearest(name, names);
  return absl::InvalidArgumentError(
      absl::StrCat(spec.name, ": found --", name, ", expected ",
                   nearest.empty() ? "a flag" : absl::StrCat("--", nearest, " or another flag"),
                   " that deduce ", spec.name, " --help lists"));
}

absl::Status CheckComplete(const CommandSpec& spec, const Arguments& arguments) {
  for (const Flag& flag : spec.flags) {
    if (flag.required && !arguments.Has(flag.name)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", flag.name, ": found nothing, expected ", flag.help));
    }
  }
  if (!spec.positional.empty() && arguments.positionals().empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(spec.name, ": found no ", spec.positional, ", expected one"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string Nearest(const std::string& word, const std::vector<std::string>& known) {
  // A word of which this many letters are wrong is another word.
  size_t least = word.size() / 3 + 2;
  std::string nearest;
  for (const std::string& candidate : known) {
    const size_t edits = Edits(word, candidate);
    if (edits >= least) continue;
    least = edits;
    nearest = candidate;
  }
  return nearest;
}

std::string Arguments::Text(const std::string& flag, const std::string& otherwise) const {
  const auto found = values_.find(flag);
  return found == values_.end() ? otherwise : found->second.back();
}

long long Arguments::Integer(const std::string& flag, long long otherwise) const {
  return Has(flag) ? std::stoll(Text(flag)) : otherwise;
}

double Arguments::Real(const std::string& flag, double otherwise) const {
  double value = otherwise;
  // Checked when it was parsed. Unlike std::stod, this does not throw on subnormal numbers.
  if (Has(flag)) static_cast<void>(absl::SimpleAtod(Text(flag), &value));
  return value;
}

std::vector<std::string> Arguments::All(const std::string& flag) const {
  const auto found = values_.find(flag);
  return found == values_.end() ? std::vector<std::string>{} : found->second;
}

absl::StatusOr<Arguments> ParseArguments(const CommandSpec& spec,
                                         const std::vector<std::string>& words) {
  Arguments arguments;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (!word.starts_with("--")) {
      if (spec.positional.empty() || (!spec.many_positionals && !arguments.positionals_.empty())) {
        return absl::InvalidArgumentError(
            absl::StrCat(spec.name, ": found \"", word, "\", expected --flag=value"));
      }
      arguments.positionals_.push_back(word);
      continue;
    }
    const size_t equals = word.find('=');
    const std::string name = word.substr(2, equals == std::string::npos ? equals : equals - 2);
    ASSIGN_OR_RETURN(const Flag* flag, FindFlag(spec, name));
    const bool is_switch = flag->kind == Flag::kSwitch;
    const bool value_follows = !is_switch && equals == std::string::npos && i + 1 < words.size() &&
                               !words[i + 1].starts_with("--");
    if (is_switch ? equals != std::string::npos : equals == std::string::npos && !value_follows) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--", name, ": found \"", word, "\", expected --", name, is_switch ? "" : "=VALUE"));
    }
    if (arguments.Has(name) && flag->kind != Flag::kRepeated) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", name, ": found it twice, expected it once"));
    }
    const std::string value = value_follows                 ? words[++i]
                              : equals == std::string::npos ? ""
                                                            : word.substr(equals + 1);
    RETURN_IF_ERROR(CheckValue(*flag, value));
    arguments.values_[name].push_back(value);
  }
  RETURN_IF_ERROR(CheckComplete(spec, arguments));
  return arguments;
}

std::string HelpText(const CommandSpec& spec) {
  std::string usage = absl::StrCat("deduce ", spec.name);
  if (!spec.positional.empty())
    absl::StrAppend(&usage, " ", spec.positional, spec.many_positionals ? "..." : "");
  std::string text = absl::StrCat(usage, " [flags]\n  ", spec.summary, "\n\n");
  for (const Flag& flag : spec.flags) {
    const std::string form =
        absl::StrCat("--", flag.name, flag.kind == Flag::kSwitch ? "" : "=VALUE");
    absl::StrAppend(
        &text,
        absl::StrFormat("  %-24s %s%s%s\n", form, flag.help, flag.required ? " (required)" : "",
                        flag.kind == Flag::kRepeated ? " (may be repeated)" : ""));
  }
  return spec.notes.empty() ? text : absl::StrCat(text, "\n", spec.notes);
}

}  // namespace deduce
