// An objective's view of a micro-batch: this rank's tokens, the results of the model's heads for
// them, and sums over sequences whose other tokens are elsewhere.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <utility>
#include <vector>

#include "data/records/batch.h"
#include "kernels/token_log_prob.h"
#include "parallel/communicator/communicator.h"

namespace deduce {

// A reader of the hidden states of a micro-batch.
enum class Head {
  kToken,      // log-probabilities of targets_x, by the vocabulary
  kNextToken,  // those of OneTokenAhead's targets, by the multi-token prediction module
};

class LossContext {
 public:
  // groups: the ranks that share the micro-batch's tokens, one axis after another; none: all tokens
  // are here. Not owned; they must outlive backward.
  explicit LossContext(std::vector<Communicator*> groups = {}) : groups_(std::move(groups)) {}

  // One head's context, with all tokens here.
  LossContext(const PackedBatch& batch, TokenLogProbs log_probs) {
    Add(Head::kToken, batch, std::move(log_probs));
  }

  // The targets and columns that belong to a head's predictions, and their log-probabilities. The
  // batch is not owned.
  void Add(Head head, const PackedBatch& batch, TokenLogProbs log_probs);

  // These throw c10::Error for a head that was not added.
  const PackedBatch& batch(Head head = Head::kToken) const { return *Find(head).batch; }
  const TokenLogProbs& log_probs(Head head = Head::kToken) const { return Find(head).log_probs; }

  // Collective over the ranks that share the micro-batch's tokens, here and in backward, so the
  // result must be part of a loss component on each of them. values_x: one a token here; returns
  // fp64 [num_sequences], over all tokens of each sequence of the micro-batch, whichever ranks have
  // them, in double. Components being sums over ranks, gradients are those of one rank with all
  // tokens.
  at::Tensor SequenceSum(const at::Tensor& values_x) const;

  // values_s, one a sequence -> that of its sequence for every token here.
  at::Tensor OfTokens(const at::Tensor& values_s) const;

 private:
  struct HeadResult {
    const PackedBatch* batch;
    TokenLogProbs log_probs;
  };
  const HeadResult& Find(Head head) const;
  at::Tensor SequenceOfToken() const;

  std::vector<Communicator*> groups_;
  std::map<Head, HeadResult> heads_;
};

}  // namespace deduce
