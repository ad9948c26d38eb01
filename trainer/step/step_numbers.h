// Numbers that micro-batches report, added over ranks in an order that no layout changes, and read
// from the device once.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "parallel/communicator/communicator.h"

namespace deduce {

class StepNumbers {
 public:
  // Over all ranks, one number of a name for each index. value: [], of any type, on the device of
  // the others; not read here. divisor: what the sum of the name's numbers is divided by, the same
  // for all of them.
  void Add(const std::string& name, int64_t index, const at::Tensor& value, double divisor = 1);

  // Collective. The sum of each name's numbers in the order of their indices, divided; the same on
  // all ranks. Names in the order in which ranks first gave them.
  std::vector<std::pair<std::string, double>> Sums(Communicator& world) const;

 private:
  struct Entry {
    std::string name;
    int64_t index;
    double divisor;
  };
  std::string OwnBytes() const;

  std::vector<Entry> entries_;
  std::vector<at::Tensor> values_;  // fp64
};

}  // namespace deduce
