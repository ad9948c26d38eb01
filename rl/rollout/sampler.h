// Choosing a token from a distribution and a number: the only place where sampling happens.
#pragma once

#include <cstdint>
#include <span>

namespace deduce {

// Inverse cumulative distribution over tokens in order of id: the first token whose cumulative
// probability exceeds uniform * (mass). log_probs: natural logarithms, one a token; uniform in [0,
// 1). top_p < 1 keeps the smallest set of most probable tokens whose mass is at least top_p (ties
// to the lower id; at least one token) and renormalises it. Sums in double in order of id (of
// probability, when choosing the set). A token of probability 0 is never chosen. An empty row, a
// NaN or a row without mass throws c10::Error.
int64_t SampleToken(std::span<const float> log_probs, double top_p, double uniform);

// The most probable token, ties to the lower id: what a temperature of 0 stands for.
int64_t GreedyToken(std::span<const float> log_probs);

}  // namespace deduce
