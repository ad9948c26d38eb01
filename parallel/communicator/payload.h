// Tensors as the bytes that transports move, and the checks that every transport makes before it
// moves them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace deduce {

// Programming error unless the tensor is defined, on the CPU and contiguous. `operation` names the
// caller in the message.
void CheckPayload(const at::Tensor& tensor, const char* operation);

// Programming error unless there is one count for each of `size` ranks, none is negative and `send`
// has as many rows as are sent.
void CheckRows(const at::Tensor& send, const std::vector<int64_t>& send_rows,
               const std::vector<int64_t>& recv_rows, int size);

// Programming error unless `tensor` is a payload whose rows are dealt to `size` ranks, none of
// which gets a negative number.
void CheckShards(const at::Tensor& tensor, const std::vector<int64_t>& rows, int size,
                 const char* operation);

// Programming error unless 0 <= rank < size.
void CheckMember(int rank, int size, const char* operation);

// A copy that shares no memory and no gradient history.
at::Tensor CopyPayload(const at::Tensor& tensor);

// Overwrites `to` with the bytes of `from`; programming error unless shape and type are the same.
// Unlike copy_, also allowed on a parameter that requires gradients.
void OverwritePayload(at::Tensor& to, const at::Tensor& from, const char* operation);

// Uninitialised [num_rows, ...] with the other dimensions and the type of `like`.
at::Tensor EmptyRows(const at::Tensor& like, int64_t num_rows);

// Bytes of one row, also when there are no rows.
int64_t RowBytes(const at::Tensor& tensor);

// First byte of the tensor's memory; null if it is empty.
char* PayloadBytes(const at::Tensor& tensor);

}  // namespace deduce
