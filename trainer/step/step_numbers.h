// Numbers that micro-batches report, added over ranks in an order that no layout changes.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "parallel/communicator/communicator.h"

namespace deduce {

class StepNumbers {
 public:
  // Over all ranks, one number of a name for each index.
  void Add(const std::string& name, int64_t index, double value);

  // Collective. The sum of each name's numbers in the order of their indices, the same on all
  // ranks. Names in the order in which ranks first gave them.
  std::vector<std::pair<std::string, double>> Sums(Communicator& world) const;

 private:
  std::string bytes_;
};

}  // namespace deduce
