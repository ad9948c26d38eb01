// Sends tokens to the ranks of their experts and back, with gradients.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "parallel/communicator/communicator.h"

namespace deduce {

// Collective (forward, and again in backward). AllToAll of rows that is differentiable in `rows`:
// the gradient travels the opposite way. With one member it is the identity. What is computed
// between construction and Finish is computed while the rows travel, forward; and its backward
// while their gradients do. The group must outlive backward, and the result must be part of the
// loss on every rank, also where it has no rows: else the others wait for it in backward.
class RowDispatch {
 public:
  // Starts. Counts as in Communicator::AllToAll.
  RowDispatch(const at::Tensor& rows, const std::vector<int64_t>& send_rows,
              const std::vector<int64_t>& recv_rows, Communicator& group);

  // Once: waits, and returns the received rows in rank order.
  at::Tensor Finish();

  struct UnderWay;

 private:
  std::shared_ptr<UnderWay> under_way_;  // null with one member
  at::Tensor rows_;
};

// Both at once.
at::Tensor DispatchRows(const at::Tensor& rows, const std::vector<int64_t>& send_rows,
                        const std::vector<int64_t>& recv_rows, Communicator& group);

}  // namespace deduce
