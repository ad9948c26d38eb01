// Carries out a rank's part of a plan: the one executor of all schedules.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "parallel/communicator/communicator.h"
#include "parallel/pipeline/action_recorder.h"
#include "parallel/pipeline/plan.h"

namespace deduce {

// The work that the executor drives: one chunk of a rank, which is one stage of the pipeline.
// Tensors that travel are contiguous. Micro-batches are numbered as in the plan.
class ChunkWork {
 public:
  virtual ~ChunkWork() = default;

  // An uninitialised tensor of the shape of the stage's input, or of its output, which are also
  // those of their gradients.
  virtual at::Tensor EmptyInput(int micro_batch) = 0;
  virtual at::Tensor EmptyOutput(int micro_batch) = 0;

  // input: undefined for the first stage. Returns the output, which the last stage need not have.
  virtual at::Tensor Forward(int micro_batch, const at::Tensor& input) = 0;

  // The gradients of input (returned; undefined for the first stage) and weights. grad_output:
  // undefined for the last stage.
  virtual at::Tensor Backward(int micro_batch, const at::Tensor& grad_output) = 0;

  // A forward of this chunk and a backward of `other`, another chunk of the rank or another
  // micro-batch of this one, as one piece of work. Neither needs the other, so an implementation
  // may do their parts in any order, and overlap the communication of one with the computation of
  // the other (DualPipe, arXiv 2412.19437, section 3.2.1). The default does one after the other,
  // without any overlap.
  struct Pair {
    int forward_micro_batch = 0;
    at::Tensor input;  // as of Forward
    int backward_micro_batch = 0;
    at::Tensor grad_output;  // as of Backward
  };
  struct PairResult {
    at::Tensor output;      // as Forward returns it
    at::Tensor grad_input;  // as Backward does
  };
  virtual PairResult ForwardAndBackward(const Pair& pair, ChunkWork& other) {
    const at::Tensor output = Forward(pair.forward_micro_batch, pair.input);
    return {output, other.Backward(pair.backward_micro_batch, pair.grad_output)};
  }

  // The two halves of Backward.
  virtual at::Tensor InputGradient(int micro_batch, const at::Tensor& grad_output) = 0;
  virtual void WeightGradient(int micro_batch) = 0;

  // Collective over the ranks that hold this stage. Sums its weight gradients.
  virtual void Reduce() = 0;

  // Collective over the ranks that hold this stage; called by a plan that shards weights. Weights
  // are whole from the gather to the release.
  virtual void GatherWeights() = 0;
  virtual void ReleaseWeights() = 0;
};

// Collective over the pipeline, whose rank r does plan.ranks[r]; chunks[c] is this rank's chunk c.
// The plan says when each transfer begins, and with which others; a received tensor is made then. A
// send is over before the next one on its channel begins, so a channel holds one message, which is
// what Prove assumes by default. Updates are left to the caller, as they wait for the norm of all
// gradients. recorder: notes begin and end of each action; may be null.
void Execute(const Plan& plan, const std::vector<ChunkWork*>& chunks, Communicator& pipeline,
             ActionRecorder* recorder = nullptr);

}  // namespace deduce
