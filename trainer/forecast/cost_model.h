// Seconds that a stage's work takes: from a cluster's numbers, or from the parts of a measured
// step.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "configs/run.pb.h"
#include "parallel/layout.h"
#include "parallel/pipeline/simulate.h"
#include "trainer/forecast/model_size.h"
#include "trainer/model/model_part.h"

namespace deduce {

// One micro-batch: `tokens` in sequences of `sequence_length` each.
struct MicroBatchShape {
  double tokens = 0;
  double sequence_length = 0;
};

// Seconds for each FLOP of a kind of work. A forward has the FLOPs of ForwardFlops; an input
// gradient as many for products and twice those for attention (and what layout.recompute has
// computed again); a weight gradient as many for products.
struct WorkRates {
  double forward = 0;
  double input_gradient = 0;
  double weight_gradient = 0;
  double overlapped = 0;  // an overlapped pair, for all FLOPs in it
};

// Costs of one micro-batch in one stage.
struct StageFlops {
  double forward = 0, input_gradient = 0, weight_gradient = 0;
  double forward_sent = 0, backward_sent = 0;  // seconds of what ranks of a stage exchange
};

class CostModel {
 public:
  // `parts`: the layout's stages in order; cluster: completed. With plan.calibration the rates are
  // such that the schedule of the measured step has the measured sums, on the rank that
  // plan.calibration names or as means over all;
  // without it every rate is 1 / (peak * efficiency), and what experts, context ranks and tensor
  // ranks send lies beside the work: added to it, or in an overlapped pair hidden by it as far as
  // it is shorter; of keys, only what the attention over a block does not hide. InvalidArgument,
  // naming the field, when a time is missing, or is there without such work in the schedule. With
  // plan.stage_seconds the costs are those numbers, of which there must be one for each stage. To
  // any of these comes what sharded weights and sums of gradients send, hidden by nothing.
  static absl::StatusOr<CostModel> Make(const RunConfig& config, const ClusterConfig& cluster,
                                        const Layout& layout, const std::vector<ModelPart>& parts);

  // Seconds of each stage, and of what goes from stage to stage. Ranks of a
  // stage have equal shares of plan.cluster.cores.
  ScheduleCosts Costs(const MicroBatchShape& shape) const;

  bool calibrated() const { return calibrated_; }
  const WorkRates& rates() const { return rates_; }

 private:
  struct RingSeconds {
    double forward = 0, backward = 0;
  };

  CostModel(const RunConfig& config, const ClusterConfig& cluster, const Layout& layout,
            const std::vector<ModelPart>& parts);
  ScheduleCosts CostsOf(const MicroBatchShape& shape) const;
  ScheduleCosts MeasuredCosts() const;
  std::vector<StageFlops> FlopsOf(const MicroBatchShape& shape) const;
  double SecondsOfExperts(const ModelPart& part, double tokens) const;
  RingSeconds SecondsOfKeys(const ModelPart& part, double tokens, double attention) const;
  double SecondsOfPieces(const ModelPart& part, double tokens) const;
  void AddShards(ScheduleCosts& costs) const;
  double BandwidthAmong(int ranks) const;
  absl::Status Calibrate(const Layout& layout);

  RunConfig config_;
  ClusterConfig cluster_;
  Layout layout_;
  int expert_parallel_ = 1;
  double num_replicas_ = 1;
  double context_parallel_ = 1;
  double tensor_parallel_ = 1;
  double num_shares_ = 1;  // parts that a micro-batch's tokens are in
  std::vector<ModelPart> parts_;
  WorkRates rates_;
  bool calibrated_ = false;
};

}  // namespace deduce
