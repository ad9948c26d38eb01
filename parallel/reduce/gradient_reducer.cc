#include "parallel/reduce/gradient_reducer.h"

#include <numeric>

namespace deduce {

int64_t GradientShares::size() const {
  return std::accumulate(rows.begin(), rows.end(), int64_t{0});
}

int64_t GradientShares::own_begin() const {
  return std::accumulate(rows.begin(), rows.begin() + holders->rank(), int64_t{0});
}

}  // namespace deduce
