#include "trainer/step/step_numbers.h"

#include <ATen/ops/stack.h>
#include <c10/util/Exception.h>

#include <cstring>
#include <map>

#include "kernels/host_values.h"

namespace deduce {
namespace {

template <typename T>
void Append(const T& value, std::string& bytes) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename T>
T Take(const std::string& bytes, size_t& at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  at += sizeof(value);
  return value;
}

}  // namespace

void StepNumbers::Add(const std::string& name, int64_t index, const at::Tensor& value,
                      double divisor) {
  entries_.push_back({name, index, divisor});
  values_.push_back(value.detach().to(at::kDouble));
}

std::string StepNumbers::OwnBytes() const {
  std::string bytes;
  if (entries_.empty()) return bytes;
  const std::vector<double> values = HostValues<double>(at::stack(values_));
  for (size_t i = 0; i < entries_.size(); ++i) {
    bytes.append(entries_[i].name).push_back('\0');
    Append(entries_[i].index, bytes);
    Append(entries_[i].divisor, bytes);
    Append(values[i], bytes);
  }
  return bytes;
}

std::vector<std::pair<std::string, double>> StepNumbers::Sums(Communicator& world) const {
  struct Numbers {
    std::map<int64_t, double> by_index;
    double divisor = 1;
  };
  std::vector<std::string> names;
  std::map<std::string, Numbers> numbers;
  for (const std::string& theirs : world.AllGatherBytes(OwnBytes())) {
    for (size_t at = 0; at < theirs.size();) {
      const std::string name = theirs.c_str() + at;
      at += name.size() + 1;
      const auto index = Take<int64_t>(theirs, at);
      const auto divisor = Take<double>(theirs, at);
      const auto value = Take<double>(theirs, at);
      if (numbers.count(name) == 0) names.push_back(name);
      numbers[name].divisor = divisor;
      TORCH_CHECK(numbers[name].by_index.emplace(index, value).second, "StepNumbers: found ", name,
                  " ", index, " twice, expected it of one rank");
    }
  }
  std::vector<std::pair<std::string, double>> sums;
  for (const std::string& name : names) {
    double sum = 0;
    for (const auto& [index, value] : numbers[name].by_index) sum += value;
    sums.emplace_back(name, sum / numbers[name].divisor);
  }
  return sums;
}

}  // namespace deduce
