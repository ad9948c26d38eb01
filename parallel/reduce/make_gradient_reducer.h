// The one place that chooses how a layout adds up gradients.
#pragma once

#include <memory>

#include "parallel/layout.h"
#include "parallel/reduce/gradient_reducer.h"

namespace deduce {

// Exact: the tree. Else in place where gradients are reduced after every micro-batch, and in
// buckets, while backward goes on, where they are once a step.
std::unique_ptr<GradientReducer> MakeGradientReducer(const Layout& layout);

}  // namespace deduce
