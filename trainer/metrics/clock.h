// The clock of progress lines and timing_s metrics.
#pragma once

#include <chrono>

namespace deduce {

// Seconds since some moment, on a clock that never goes back.
inline double SecondsNow() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace deduce
