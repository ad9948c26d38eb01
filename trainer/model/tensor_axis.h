// How layers whose matrices are split over the tensor axis work together. Each rank has some of the
// heads, or a part of a feed-forward layer's width, for all tokens of the group (Shoeybi et al.
// 2019); between such layers a rank has a share of the tokens (Korthikanti et al. 2022).
#pragma once

#include <ATen/core/Tensor.h>

#include "trainer/model/forward_context.h"

namespace deduce {

// Both are collective over the tensor group of the context, and the identity without one. With a
// share of tokens they are collective in backward too. Without a share every tensor rank has all
// tokens, which is for forwards without gradients: c10::Error otherwise.

// x_td [t, d], the tokens here -> [tokens of all tensor ranks, d].
at::Tensor GatherTokens(const at::Tensor& x_td, const ForwardContext& context);

// Products with this rank's piece, of the tokens of all tensor ranks -> the sum over ranks, [t, d],
// of the tokens here. A token's row has the same bits with a share and without one, on every rank.
at::Tensor SumOverPieces(const at::Tensor& product_td, const ForwardContext& context);

}  // namespace deduce
