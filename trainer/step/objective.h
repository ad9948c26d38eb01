// The function that one training step minimises: a sum of components, each a typed pair (sum,
// count). An objective gives each micro-batch's part of the sums; the step divides once, by counts
// of the whole step, so any split into micro-batches and ranks has the same gradient.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "data/records/batch.h"
#include "trainer/step/loss_context.h"

namespace deduce {

// The divisors of sums, by key. They count a whole step, and every rank knows them before any work.
using Counts = std::map<std::string, double>;

// The key of the number of sequences, which every step counts.
inline constexpr char kSequences[] = "sequences";

struct LossComponent {
  std::string name;   // of the number that is reported, sum / count: "loss", "mtp_loss"
  at::Tensor sum;     // [], differentiable: what this rank's tokens of a micro-batch add
  std::string count;  // key of the step's counts
  double weight = 1;  // in what is minimised, weight * sum / count
  // Where a micro-batch has several of a name, one a layer: which this is of how many, whose mean
  // is meant. A chunk has those of its layers.
  int64_t index = 0, num = 1;
};

struct LossTerms {
  std::vector<LossComponent> components;
  // Numbers without gradients, [] of any type, to be added over the step's micro-batches in their
  // global order and read once, at its end. Every objective has "tokens", the number of tokens with
  // a weight, which the other entries' means are taken over. Same names in the same order for every
  // micro-batch.
  std::vector<std::pair<std::string, at::Tensor>> metric_sums;
};

class Objective {
 public:
  virtual ~Objective() = default;

  // The columns and heads that it reads. A missing one is found before any work.
  virtual std::vector<Column> columns() const { return {Column::kWeight}; }
  virtual std::vector<Head> heads() const { return {Head::kToken}; }

  // Temperature at which the log-probabilities are wanted: that of the rollouts in reinforcement
  // learning.
  virtual double temperature() const { return 1; }

  // The context has the results of heads() alone. A batch without tokens gives sums of 0 that have
  // a graph: its ranks keep others company.
  virtual LossTerms operator()(const LossContext& context) const = 0;
};

}  // namespace deduce
