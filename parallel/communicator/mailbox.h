// Messages inside one process, matched by (sender, receiver, tag) in the order of issue. Plain
// data: the owner locks.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

namespace deduce {

class Mailbox {
 public:
  // Who sends to whom under which tag.
  struct Lane {
    int sender;
    int receiver;
    int tag;
    auto operator<=>(const Lane&) const = default;
  };

  // Puts in the next message of a lane; the mailbox keeps the tensor, so the sender passes a copy
  // of its own.
  void Put(const Lane& lane, at::Tensor message) {
    messages_.emplace(std::make_pair(lane, puts_[lane]++), std::move(message));
  }

  // Reserves the next message of a lane for the caller, whether or not it is there yet.
  int64_t Reserve(const Lane& lane) { return reservations_[lane]++; }

  // Takes out the reserved message; nothing if it has not come yet.
  std::optional<at::Tensor> Take(const Lane& lane, int64_t number) {
    auto found = messages_.find({lane, number});
    if (found == messages_.end()) return std::nullopt;
    at::Tensor message = std::move(found->second);
    messages_.erase(found);
    return message;
  }

 private:
  std::map<Lane, int64_t> puts_;
  std::map<Lane, int64_t> reservations_;
  std::map<std::pair<Lane, int64_t>, at::Tensor> messages_;
};

}  // namespace deduce
