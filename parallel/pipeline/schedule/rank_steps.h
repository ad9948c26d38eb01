// How generators write a rank's steps: by work and chunk, with the micro-batches in order.
#pragma once

#include <utility>
#include <vector>

#include "parallel/pipeline/schedule/schedule.h"

namespace deduce {

// Appends to one rank's steps. Each kind of work goes through a chunk's micro-batches in order.
class RankSteps {
 public:
  // first_of_chunk: the first micro-batch of each chunk.
  RankSteps(std::vector<Step>& steps, std::vector<int> first_of_chunk)
      : steps_(steps), forward_(first_of_chunk), backward_(std::move(first_of_chunk)) {}

  void Forward(int chunk) { steps_.push_back({NextForward(chunk)}); }
  void Backward(int chunk) { steps_.push_back({NextBackward(chunk, Work::kBackward)}); }
  // Puts the weight gradient off, to a later WeightGradient, which takes the oldest.
  void InputGradient(int chunk) {
    steps_.push_back({NextBackward(chunk, Work::kInputGradient)});
    Action later = steps_.back().first;
    later.work = Work::kWeightGradient;
    waiting_.push_back(later);
  }
  void WeightGradient() {
    steps_.push_back({waiting_.front()});
    waiting_.erase(waiting_.begin());
  }
  // Both at once.
  void ForwardAndBackward(int forward_chunk, int backward_chunk) {
    const Action forward = NextForward(forward_chunk);
    steps_.push_back({forward, NextBackward(backward_chunk, Work::kBackward)});
  }

  int num_forward(int chunk) const { return forward_[chunk]; }
  bool has_waiting() const { return !waiting_.empty(); }

 private:
  Action NextForward(int chunk) { return {Work::kForward, chunk, forward_[chunk]++}; }
  Action NextBackward(int chunk, Work work) { return {work, chunk, backward_[chunk]++}; }

  std::vector<Step>& steps_;
  std::vector<int> forward_, backward_;  // next micro-batch of each chunk
  std::vector<Action> waiting_;          // weight gradients put off
};

}  // namespace deduce
