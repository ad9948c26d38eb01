// From a schedule to what each rank does.
#pragma once

#include "parallel/pipeline/plan.h"

namespace deduce {

// The schedule with a receive waited for before what needs it and a send after what makes it (none
// between two chunks of one rank), both in the exchanges of parallel/pipeline/exchange_order; after
// a chunk's last weight gradient comes its reduction, and updates come last.
Plan MakePlan(Schedule schedule);

// The plan with weights that are gathered before a chunk's work and released after it (ZeRO-3,
// Rajbhandari et al. 2020): at once for all that a rank does in a chunk, or in the two of a pair,
// before it turns to another. Of a plan without it, which may be a part of one.
Plan WithShardedWeights(Plan plan);

// Its forwards and the transfers between them: a plan that computes and trains nothing.
Plan ForwardPart(Plan plan);

}  // namespace deduce
