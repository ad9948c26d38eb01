// The words after `deduce COMMAND`: one table of flags serves parsing, checking and --help.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace deduce {

struct Flag {
  enum Kind { kText, kInteger, kReal, kSwitch, kRepeated };
  std::string name;
  Kind kind = kText;
  std::string help;  // one line
  bool required = false;
};

struct CommandSpec {
  std::string name;
  std::string summary;  // one line
  std::vector<Flag> flags;
  std::string positional;  // what words without dashes are; empty: none allowed
  bool many_positionals = false;
  std::string notes;  // printed below the flags, as it is
};

// Values as given; kinds and required flags have been checked.
class Arguments {
 public:
  bool Has(const std::string& flag) const { return values_.contains(flag); }
  std::string Text(const std::string& flag, const std::string& otherwise = "") const;
  long long Integer(const std::string& flag, long long otherwise) const;
  double Real(const std::string& flag, double otherwise) const;
  std::vector<std::string> All(const std::string& flag) const;
  const std::vector<std::string>& positionals() const { return positionals_; }

 private:
  friend absl::StatusOr<Arguments> ParseArguments(const CommandSpec& spec,
                                                  const std::vector<std::string>& words);
  std::map<std::string, std::vector<std::string>> values_;
  std::vector<std::string> positionals_;
};

// Words are --flag=value, --flag followed by a value that does not begin with two dashes, --switch,
// or positionals. InvalidArgument naming the flag for an unknown (with the nearest known one),
// repeated, missing or mistyped one.
absl::StatusOr<Arguments> ParseArguments(const CommandSpec& spec,
                                         const std::vector<std::string>& words);

// The known word that `word` is most likely meant to be; empty if none is like it.
std::string Nearest(const std::string& word, const std::vector<std::string>& known);

// The text that `deduce COMMAND --help` prints.
std::string HelpText(const CommandSpec& spec);

}  // namespace deduce
