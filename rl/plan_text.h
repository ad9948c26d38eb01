// A plan in words and tables, for a terminal.
#pragma once

#include <string>
#include <vector>

#include "rl/job_plan.h"
#include "trainer/run_plan.h"

namespace deduce {

// Everything that `deduce plan` prints without --json.
std::string PlanText(const RunPlan& plan, const JobPlan& job);

// What a rank does over time, a character each for `width` equal parts of the step: f forward, b
// backward or input gradient, w weight gradient, = both at once, . waiting.
std::string TimelineRow(const std::vector<TimedStep>& steps, double makespan, int width);

}  // namespace deduce
