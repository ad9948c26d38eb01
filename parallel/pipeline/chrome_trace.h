// A timeline as a Chrome trace, which chrome://tracing and Perfetto show.
#pragma once

#include <string>

#include "parallel/pipeline/plan.h"
#include "parallel/pipeline/simulate.h"

namespace deduce {

// {"traceEvents": [...]} with a lane (tid) for each rank of the pipeline in process `pid`, and a
// complete event for each action, in microseconds from the step's begin: name "F0.3" (work, chunk,
// micro-batch) with the same as arguments; an overlapped pair is one event, "F0.3&B1.2", with those
// of its forward. seconds_of_unit: the timeline's unit in seconds.
std::string ChromeTrace(const Timeline& timeline, int pid, const std::string& process_name,
                        double seconds_of_unit = 1);

// The pieces of a trace: a name (what: process_name or thread_name), an event, and the whole of
// pieces with a comma and a line feed between.
std::string TraceName(const char* what, int pid, int tid, const std::string& name);
std::string TraceEvent(const PlanAction& action, int pid, int tid, double begin_microseconds,
                       double duration_microseconds);
std::string TraceText(const std::string& pieces);

}  // namespace deduce
