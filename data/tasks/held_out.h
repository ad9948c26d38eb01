// Which problems of a task family are kept for evaluation.
#pragma once

#include <cstdint>
#include <vector>

namespace deduce {

// Whether the problem with these numbers belongs to the held-out split: one in 16, by a hash that
// knows no seed.
bool IsHeldOut(const std::vector<int64_t>& numbers);

}  // namespace deduce
