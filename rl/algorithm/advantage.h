// From rewards to group-relative advantages (DeepSeekMath, arXiv 2402.03300, section 4.1.2).
#pragma once

#include <cstdint>
#include <vector>

#include "configs/objective.pb.h"

namespace deduce {

// Added to the standard deviation before dividing.
inline constexpr double kAdvantageGuard = 1e-4;

// rewards, and the group that each belongs to: one a sample, groups of any size in any order. A_i =
// (r_i - mean) / (std + kAdvantageGuard), with the mean of the group and the deviation of the group
// (scale_rewards = group) or of the whole batch (batch); none: A_i = r_i - mean (Dr. GRPO). The
// papers leave the divisor of the variance and the guard open; we take TRL's choice, the sample
// deviation (n - 1) and 1e-4, so that curves can be laid side by side. `trains`: samples where it
// is false (unscorable) are left out of every mean and deviation and get 0. A group whose rewards
// are all equal, or with fewer than two samples left, gets exactly 0. Double, in index order.
// Throws c10::Error when the sizes do not fit.
std::vector<double> Advantages(const std::vector<double>& rewards,
                               const std::vector<uint64_t>& groups,
                               GrpoConfig::ScaleRewards scale_rewards,
                               const std::vector<bool>& trains);

}  // namespace deduce
