// One number for all weights of a model, whatever the layout: how runs, ranks and resumed runs are
// compared.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "parallel/communicator/communicator.h"
#include "trainer/checkpoint/checkpoint.h"

namespace deduce {

// Collective, over `tensor` first. 16 hexadecimal digits over the name and content of every logical
// tensor, in name order. Each rank gives the whole tensors (begin 0, all elements) it holds; a
// tensor held by several ranks counts once, and must be the same on all of them: otherwise
// Internal, naming the tensor and two ranks, on all ranks. tensor: the ranks that hold, in their
// order, the pieces of tensors that are split by rows or by columns; they give the same tensors in
// the same order, and each is put together on all of them, one at a time. Throws c10::Error for
// parts of tensors otherwise.
absl::StatusOr<std::string> WeightsHash(Communicator& world,
                                        const std::vector<TensorSlice>& local_tensors,
                                        Communicator* tensor = nullptr);

}  // namespace deduce
