// What a plan's numbers take for granted, so that they can be judged.
#pragma once

#include <string>
#include <vector>

#include "rl/job_plan.h"
#include "trainer/run_plan.h"

namespace deduce {

// A sentence each, for what this plan rests on.
std::vector<std::string> PlanAssumptions(const RunPlan& plan, const JobPlan& job);

}  // namespace deduce
