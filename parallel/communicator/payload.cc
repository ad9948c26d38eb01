#include "parallel/communicator/payload.h"

#include <ATen/ops/empty.h>

#include <cstring>
#include <numeric>

namespace deduce {

void CheckPayload(const at::Tensor& tensor, const char* operation) {
  TORCH_CHECK(tensor.defined(), operation, ": the tensor is undefined");
  TORCH_CHECK(tensor.is_cpu() && tensor.is_contiguous(), operation, ": found a tensor on ",
              tensor.device(), " of sizes ", tensor.sizes(), " and strides ", tensor.strides(),
              ", expected a contiguous one on the CPU");
}

void CheckRows(const at::Tensor& send, const std::vector<int64_t>& send_rows,
               const std::vector<int64_t>& recv_rows, int size) {
  CheckPayload(send, "AllToAll");
  TORCH_CHECK(send_rows.size() == static_cast<size_t>(size) &&
                  recv_rows.size() == static_cast<size_t>(size),
              "AllToAll: found ", send_rows.size(), " send and ", recv_rows.size(),
              " receive counts, expected ", size);
  for (int r = 0; r < size; ++r) {
    TORCH_CHECK(send_rows[r] >= 0 && recv_rows[r] >= 0, "AllToAll: found counts ", send_rows[r],
                " and ", recv_rows[r], " for rank ", r, ", expected none negative");
  }
  const int64_t total = std::accumulate(send_rows.begin(), send_rows.end(), int64_t{0});
  TORCH_CHECK(send.dim() >= 1 && send.size(0) == total, "AllToAll: found a tensor of sizes ",
              send.sizes(), ", expected ", total, " rows");
}

void CheckShards(const at::Tensor& tensor, const std::vector<int64_t>& rows, int size,
                 const char* operation) {
  TORCH_CHECK(tensor.defined() && tensor.is_contiguous(), operation,
              ": found an undefined tensor or one with gaps, expected a contiguous one");
  TORCH_CHECK(rows.size() == static_cast<size_t>(size), operation, ": found rows of ", rows.size(),
              " ranks, expected ", size);
  int64_t total = 0;
  for (const int64_t count : rows) {
    TORCH_CHECK(count >= 0, operation, ": found ", count, " rows, expected none negative");
    total += count;
  }
  TORCH_CHECK(tensor.dim() >= 1 && tensor.size(0) == total, operation, ": found a tensor of sizes ",
              tensor.sizes(), ", expected ", total, " rows");
}

void CheckMember(int rank, int size, const char* operation) {
  TORCH_CHECK(rank >= 0 && rank < size, operation, ": found rank ", rank, ", expected one of the ",
              size, " of the group");
}

at::Tensor CopyPayload(const at::Tensor& tensor) { return tensor.detach().clone(); }

void OverwritePayload(at::Tensor& to, const at::Tensor& from, const char* operation) {
  TORCH_CHECK(to.sizes() == from.sizes() && to.scalar_type() == from.scalar_type(), operation,
              ": found a message of sizes ", from.sizes(), " and type ", from.scalar_type(),
              ", expected ", to.sizes(), " and ", to.scalar_type());
  if (to.numel() > 0) std::memcpy(PayloadBytes(to), PayloadBytes(from), to.nbytes());
}

at::Tensor EmptyRows(const at::Tensor& like, int64_t num_rows) {
  std::vector<int64_t> sizes = like.sizes().vec();
  sizes[0] = num_rows;
  return at::empty(sizes, like.options());
}

int64_t RowBytes(const at::Tensor& tensor) {
  int64_t bytes = static_cast<int64_t>(tensor.element_size());
  for (int64_t d = 1; d < tensor.dim(); ++d) bytes *= tensor.size(d);
  return bytes;
}

char* PayloadBytes(const at::Tensor& tensor) { return static_cast<char*>(tensor.data_ptr()); }

}  // namespace deduce
