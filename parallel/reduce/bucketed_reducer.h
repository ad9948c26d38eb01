// Gradients added bucket by bucket, each started as soon as its elements are final, while backward
// goes on with earlier layers (Li et al. 2020, PyTorch Distributed): for `exact: false`.
#pragma once

#include <cstdint>
#include <memory>

#include "parallel/reduce/gradient_reducer.h"

namespace deduce {

// Large enough that a message's start costs little beside it: 25 MB of fp32.
inline constexpr int64_t kBucketElements = 25 << 18;

// Buckets of [0, in_backward_order) are started from the last to the first, then those behind; each
// as soon as it and all before it are final, so that all holders start them in the same order.
std::unique_ptr<GradientReducer> MakeBucketedReducer(int64_t bucket_elements = kBucketElements);

}  // namespace deduce
