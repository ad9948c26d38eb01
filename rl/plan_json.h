// A plan as one JSON object, for programs.
#pragma once

#include <string>

#include "rl/job_plan.h"
#include "trainer/run_plan.h"

namespace deduce {

// One line: the numbers of PlanText under the keys layout, stages, proof, memory, timeline, step,
// cluster, reinforcement_learning (if there is any), assumptions and published. Seconds, bytes,
// tokens and FLOPs, never multiples of them.
std::string PlanJson(const RunPlan& plan, const JobPlan& job);

}  // namespace deduce
