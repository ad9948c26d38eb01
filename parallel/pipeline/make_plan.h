// Makes plans from schedules.
#pragma once

#include "parallel/pipeline/plan.h"

namespace deduce {

// Adds to a schedule: a receive before the work that needs it and a send after the work that makes
// it (none between two chunks of one rank), both in the exchanges of exchange_order; a reduction
// after a chunk's last weight gradient; updates at the end.
Plan MakePlan(Schedule schedule);

// Adds gathers and releases of weights to a plan without them, which may be a part of one (ZeRO-3,
// Rajbhandari et al. 2020). Weights are gathered once for all consecutive work of a rank in a
// chunk, or in the two chunks of a pair, and released after it.
Plan WithShardedWeights(Plan plan);

// The plan's forwards and the transfers between them: a plan that trains nothing.
Plan ForwardPart(Plan plan);

}  // namespace deduce
