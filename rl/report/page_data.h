// The numbers and samples of a report as the JSON text that its script reads.
#pragma once

#include <string>
#include <vector>

#include "rl/report/reported_run.h"

namespace deduce {

// {"limits":{steps,samples,tokens},"runs":[{name,directory,stages:[{name,kind,tokens_before,steps,metrics:{NAME:[number|null]},
// intervals:{NAME:[[low,high]|null]}}],samples:[...]}]}: every metric of a stage is one column as
// long as its steps. Numbers have all their digits (log-probs: four decimals). `<`, `>` and `&` are
// \u escapes, so no text can end the script element it is in.
std::string PageData(const std::vector<ReportedRun>& runs);

}  // namespace deduce
