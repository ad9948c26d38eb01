// The command that grades answers as training does.
#pragma once

#include <iosfwd>

#include "absl/status/status.h"
#include "rl/commands/command_line.h"

namespace deduce {

// Grades the lines of --input by the rule --verifier, one line of `out` each:
//   F.jsonl: {"answer": GOLD, "completion": TEXT} -> {"verdict": "right" | "wrong" | "unscorable",
//     "reason": WHY}, without a reason where it is right. An answer may be a number; other fields,
//     such as those of a rollout file, do not matter.
//   any other file: GOLD<TAB>COMPLETION -> right | wrong | unscorable. An answer alone is taken as
//     one, also by rules that look for tags.
// Errors: an unknown verifier (exit code 2); a line that is neither (3).
absl::Status ScoreCommand(const Arguments& arguments, std::ostream& out);

}  // namespace deduce
