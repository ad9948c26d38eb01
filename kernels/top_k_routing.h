// Choice of experts with expert groups and a selection bias: by sigmoid affinities (DeepSeek-V3
// report, equations 13 to 16) or softmax affinities (DeepSeek-V2 report, equations 20 to 22).
#pragma once

#include "kernels/plain/routing.h"

namespace deduce {

// logits_te fp32 or fp64 [t, experts], bias_e fp32 [experts] (used for the choice only). Row by
// row; t may be 0.
Routing TopKRouting(const at::Tensor& logits_te, const at::Tensor& bias_e,
                    const RoutingOptions& options);

}  // namespace deduce
