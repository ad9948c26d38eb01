// Bounds the cost of one rendering: a template from elsewhere must not take minutes, or all memory.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "data/text/chat_template/values/arguments.h"
#include "data/text/chat_template/values/value.h"

namespace deduce::jinja {

// Limits of one rendering, and how much of them it has used.
struct Budget {
  static constexpr int kMaxDepth = 250;
  static constexpr int64_t kMaxSteps = 20'000'000;
  static constexpr double kBytesAStep = 16;

  int depth = 0;     // nesting of expressions, blocks and macros
  double steps = 0;  // expressions, statements, rounds of loops, and work on values

  // Takes a step and a level. Error: one of them is beyond its limit.
  absl::Status Enter();
  // Takes `count` steps.
  absl::Status Take(double count);
  // Takes the steps of work that goes through so many bytes.
  absl::Status TakeBytes(double bytes) { return Take(bytes / kBytesAStep); }
};

// Bytes that an operation goes through at worst, from the weights of its operands.
double WorkOfFilter(const std::string& name, const Value& input, const Arguments& arguments);
double WorkOfTest(const Value& value, const Arguments& arguments);
double WorkOfCall(const Function& function, const Arguments& arguments);
double WorkOfOperator(const std::string& op, const Value& a, const Value& b);
double WorkOfItem(const Value& value);
double WorkOfSlice(const Value& value);

}  // namespace deduce::jinja
