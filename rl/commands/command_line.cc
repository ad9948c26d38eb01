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

}  // namespace

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
  for (const std::string& word : words) {
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
    const auto flag = std::find_if(spec.flags.begin(), spec.flags.end(),
                                   [&](const Flag& f) { return f.name == name; });
    if (flag == spec.flags.end()) {
      return absl::InvalidArgumentError(absl::StrCat(spec.name, ": found --", name,
                                                     ", expected a flag that deduce ", spec.name,
                                                     " --help lists"));
    }
    if ((flag->kind == Flag::kSwitch) != (equals == std::string::npos)) {
      return absl::InvalidArgumentError(absl::StrCat("--", name, ": found \"", word,
                                                     "\", expected --", name,
                                                     flag->kind == Flag::kSwitch ? "" : "=VALUE"));
    }
    if (arguments.Has(name) && flag->kind != Flag::kRepeated) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", name, ": found it twice, expected it once"));
    }
    const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
    RETURN_IF_ERROR(CheckValue(*flag, value));
    arguments.values_[name].push_back(value);
  }
  for (const Flag& flag : spec.flags) {
    if (flag.required && !arguments.Has(flag.name)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", flag.name, ": found nothing, expected ", flag.help));
    }
  }
  if (!spec.positional.empty() && arguments.positionals_.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(spec.name, ": found no ", spec.positional, ", expected one"));
  }
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
