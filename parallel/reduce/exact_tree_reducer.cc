#include "parallel/reduce/exact_tree_reducer.h"

#include <ATen/ops/empty.h>

#include <utility>

namespace deduce {
namespace {

class TreeReduction : public GradientReduction {
 public:
  TreeReduction(GradientShares shares, at::Tensor gradient, int num_present)
      : shares_(std::move(shares)), gradient_(std::move(gradient)), num_present_(num_present) {}

  void Start() override {
    Communicator& holders = *shares_.holders;
    if (holders.size() == 1) return;
    RowExchange shard =
        StartTreeSum(holders, gradient_.defined() ? gradient_ : at::empty({0}, shares_.options),
                     shares_.rows, num_present_);
    shard.transfer->Wait();
    if (shares_.sharded) {
      gradient_ = std::move(shard.received);
      return;
    }
    if (!gradient_.defined()) gradient_ = at::empty({shares_.size()}, shares_.options);
    gradient_.narrow(0, shares_.own_begin(), shares_.own_size()).copy_(shard.received);
    holders.AllGatherInto(gradient_, shares_.rows);
  }

  at::Tensor Finish() override { return std::move(gradient_); }

 private:
  const GradientShares shares_;
  at::Tensor gradient_;  // from Start on: the sum
  const int num_present_;
};

class ExactTreeReducer : public GradientReducer {
 public:
  std::unique_ptr<GradientReduction> Begin(const GradientShares& shares, at::Tensor gradient,
                                           int num_present) override {
    return std::make_unique<TreeReduction>(shares, std::move(gradient), num_present);
  }
};

}  // namespace

std::unique_ptr<GradientReducer> MakeExactTreeReducer() {
  return std::make_unique<ExactTreeReducer>();
}

}  // namespace deduce
