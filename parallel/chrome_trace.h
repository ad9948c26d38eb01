// A timeline as a Chrome trace, which chrome://tracing and Perfetto show.
#pragma once

#include <string>

#include "parallel/simulate.h"

namespace deduce {

// {"traceEvents": [...]} with a lane (tid) for each rank of the pipeline in process `pid`, and a
// complete event for each action, in microseconds from the step's begin: name "F0.3" (work, chunk,
// micro-batch) with the same as arguments. The two actions of an overlapped pair have the same
// begin and end and lie one in the other. seconds_of_unit: what the timeline counts in.
std::string ChromeTrace(const Timeline& timeline, int pid, const std::string& process_name,
                        double seconds_of_unit = 1);

}  // namespace deduce
