// Gradients added in the project's one tree: the bits of one rank (docs/design/numerics.md).
#pragma once

#include <memory>

#include "parallel/reduce/gradient_reducer.h"

namespace deduce {

// Start does all the work: shards go to their owners, which add them by TreeSum, and the sums come
// back to all holders unless each keeps only its own.
std::unique_ptr<GradientReducer> MakeExactTreeReducer();

}  // namespace deduce
