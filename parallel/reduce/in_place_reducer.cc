#include "parallel/reduce/in_place_reducer.h"

#include <ATen/ops/zeros.h>

#include <utility>

namespace deduce {
namespace {

class InPlaceReduction : public GradientReduction {
 public:
  InPlaceReduction(GradientShares shares, at::Tensor gradient)
      : shares_(std::move(shares)), gradient_(std::move(gradient)) {}

  void Start() override {
    Communicator& holders = *shares_.holders;
    if (holders.size() == 1) return;
    if (!gradient_.defined()) gradient_ = at::zeros({shares_.size()}, shares_.options);
    if (shares_.sharded) {
      gradient_ = holders.ReduceScatter(gradient_, shares_.rows, Reduction::kSum);
    } else {
      holders.AllReduce(gradient_, Reduction::kSum);
    }
  }

  at::Tensor Finish() override { return std::move(gradient_); }

 private:
  const GradientShares shares_;
  at::Tensor gradient_;  // from Start on: the sum
};

class InPlaceReducer : public GradientReducer {
 public:
  std::unique_ptr<GradientReduction> Begin(const GradientShares& shares, at::Tensor gradient,
                                           int /*num_present*/) override {
    return std::make_unique<InPlaceReduction>(shares, std::move(gradient));
  }
};

}  // namespace

std::unique_ptr<GradientReducer> MakeInPlaceReducer() { return std::make_unique<InPlaceReducer>(); }

}  // namespace deduce
