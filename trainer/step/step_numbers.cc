#include "trainer/step/step_numbers.h"

#include <c10/util/Exception.h>

#include <cstring>
#include <map>

namespace deduce {

void StepNumbers::Add(const std::string& name, int64_t index, double value) {
  bytes_.append(name).push_back('\0');
  bytes_.append(reinterpret_cast<const char*>(&index), sizeof(index));
  bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

std::vector<std::pair<std::string, double>> StepNumbers::Sums(Communicator& world) const {
  std::vector<std::string> names;
  std::map<std::string, std::map<int64_t, double>> numbers;
  for (const std::string& theirs : world.AllGatherBytes(bytes_)) {
    for (size_t at = 0; at < theirs.size();) {
      const std::string name = theirs.c_str() + at;
      at += name.size() + 1;
      int64_t index;
      double value;
      std::memcpy(&index, theirs.data() + at, sizeof(index));
      std::memcpy(&value, theirs.data() + at + sizeof(index), sizeof(value));
      at += sizeof(index) + sizeof(value);
      if (numbers.count(name) == 0) names.push_back(name);
      TORCH_CHECK(numbers[name].emplace(index, value).second, "StepNumbers: found ", name, " ",
                  index, " twice, expected it of one rank");
    }
  }
  std::vector<std::pair<std::string, double>> sums;
  for (const std::string& name : names) {
    double sum = 0;
    for (const auto& [index, value] : numbers[name]) sum += value;
    sums.emplace_back(name, sum);
  }
  return sums;
}

}  // namespace deduce
