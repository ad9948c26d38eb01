#include "parallel/pipeline/peak_memory.h"

#include <algorithm>

namespace deduce {
namespace {

// Whether a work is the last that needs a micro-batch's activations.
bool GivesBack(PlanOp op) { return op == PlanOp::kBackward || op == PlanOp::kWeightGradient; }

}  // namespace

int PeakActivations(const std::vector<PlanAction>& actions) {
  int held = 0, peak = 0;
  for (const PlanAction& action : actions) {
    for (const PlanAction& work : WorksOf(action)) {
      if (work.op == PlanOp::kForward) peak = std::max(peak, ++held);
      if (GivesBack(work.op)) --held;
    }
  }
  return peak;
}

int PeakReceives(const std::vector<PlanAction>& actions) {
  int begun = 0, peak = 0;
  for (const PlanAction& action : actions) {
    for (const PlanAction& part : action.parts) begun += IsReceive(part.op);
    peak = std::max(peak, begun);
    begun -= IsReceive(action.op);
  }
  return peak;
}

double PeakActivationBytes(const std::vector<PlanAction>& actions,
                           const std::vector<double>& bytes_of_chunk) {
  double held = 0, peak = 0;
  for (const PlanAction& action : actions) {
    for (const PlanAction& work : WorksOf(action)) {
      if (work.op == PlanOp::kForward) peak = std::max(peak, held += bytes_of_chunk.at(work.chunk));
      if (GivesBack(work.op)) held -= bytes_of_chunk.at(work.chunk);
    }
  }
  return peak;
}

double PeakWeightBytes(const std::vector<PlanAction>& actions,
                       const std::vector<double>& bytes_of_chunk) {
  double held = 0, peak = 0;
  for (const PlanAction& action : actions) {
    if (action.op == PlanOp::kGatherWeights)
      peak = std::max(peak, held += bytes_of_chunk.at(action.chunk));
    if (action.op == PlanOp::kReleaseWeights) held -= bytes_of_chunk.at(action.chunk);
  }
  return peak;
}

}  // namespace deduce
