// Gradients added by the transport's own reduction, in whatever order is fastest, with no buffer
// beside the gradient's: for `exact: false`.
#pragma once

#include <memory>

#include "parallel/reduce/gradient_reducer.h"

namespace deduce {

std::unique_ptr<GradientReducer> MakeInPlaceReducer();

}  // namespace deduce
