#include "trainer/model/mtp.h"

#include <ATen/ops/cat.h>

#include <string>

#include "kernels/linear.h"
#include "kernels/rms_norm.h"

namespace deduce {
namespace {

std::string Name(int64_t layer, const char* suffix) {
  return "model.layers." + std::to_string(layer) + "." + suffix;
}

}  // namespace

Mtp::Mtp(int64_t layer, const BlockParts& parts)
    : eps_(parts.config.rms_norm_eps()),
      embedding_norm_(parts.factory.Norm(Name(layer, "enorm.weight"), parts.config.hidden_size())),
      hidden_norm_(parts.factory.Norm(Name(layer, "hnorm.weight"), parts.config.hidden_size())),
      projection_(parts.factory.Matrix(Name(layer, "eh_proj.weight"), parts.config.hidden_size(),
                                       2 * parts.config.hidden_size())),
      block_(layer, /*cache_layer=*/-1, parts),
      norm_(
          parts.factory.Norm(Name(layer, "shared_head.norm.weight"), parts.config.hidden_size())) {}

at::Tensor Mtp::Forward(const at::Tensor& hidden_td, const at::Tensor& next_embedding_td,
                        ForwardContext& context) const {
  const at::Tensor both_te = at::cat({RmsNorm(next_embedding_td, embedding_norm_.leaf(), eps_),
                                      RmsNorm(hidden_td, hidden_norm_.leaf(), eps_)},
                                     1);
  const at::Tensor in_td = Linear(both_te, projection_.weight(), projection_.compute());
  const at::Tensor out_td = block_.Forward(in_td, context);
  return RmsNorm(out_td, norm_.leaf(), eps_);
}

}  // namespace deduce
