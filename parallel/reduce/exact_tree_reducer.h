// Gradients added in the project's one tree: the bits of one rank (docs/design/numerics.md).
#pragma once

#include <memory>

#include "parallel/reduce/gradient_reducer.h"

namespace deduce {

// Start does all: the holders' shards go to whom they belong, which adds them by TreeSum, and come
// from there unless everybody keeps only its own.
std::unique_ptr<GradientReducer> MakeExactTreeReducer();

}  // namespace deduce
