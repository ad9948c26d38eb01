#include "trainer/step/score_tokens.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <cstring>
#include <memory>
#include <string>

#include "kernels/host_values.h"
#include "parallel/pipeline/executor.h"
#include "trainer/step/log_probs_where_weighted.h"
#include "trainer/step/micro_batch_part.h"
#include "trainer/step/step_plan.h"

namespace deduce {
namespace {

// A stage that goes forward and keeps nothing; the last one appends what it finds to `bytes`.
class ChunkScorer : public ChunkWork {
 public:
  ChunkScorer(ModelChunk& chunk, const std::vector<PackedBatch>& micro_batches,
              const std::vector<int64_t>& micro_batch_of, double temperature, std::string& bytes)
      : model_(*chunk.model),
        store_(*chunk.store),
        micro_batches_(micro_batches),
        micro_batch_of_(micro_batch_of),
        temperature_(temperature),
        bytes_(bytes),
        empty_(EmptyBatch()) {}

  at::Tensor EmptyInput(int micro_batch) override {
    return at::empty({Batch(micro_batch).num_tokens(), model_.config().hidden_size()},
                     model_.options());
  }
  at::Tensor EmptyOutput(int micro_batch) override { return EmptyInput(micro_batch); }

  at::Tensor Forward(int micro_batch, const at::Tensor& input_xd) override {
    const PackedBatch& host_batch = Batch(micro_batch);
    const PackedBatch batch = OnDeviceOf(model_, host_batch);
    const ForwardResult forward = model_.Forward(batch, /*with_mtp=*/false, input_xd);
    if (!model_.part().last) return forward.x_xd;
    if (&host_batch == &empty_) return {};
    const at::Tensor log_prob_x =
        LogProbsWhereWeighted(model_, forward.hidden_xd, batch, temperature_).log_prob_t;
    const int64_t m = micro_batch_of_[micro_batch];
    bytes_.append(reinterpret_cast<const char*>(&m), sizeof(m));
    const std::vector<float> log_probs = HostValues<float>(log_prob_x);
    bytes_.append(reinterpret_cast<const char*>(log_probs.data()),
                  log_probs.size() * sizeof(float));
    return {};
  }

  void GatherWeights() override { store_.GatherWeights(); }
  void ReleaseWeights() override { store_.ReleaseWeights(); }

  // Not in a plan of forwards.
  at::Tensor Backward(int, const at::Tensor&) override { return Refuse(); }
  at::Tensor InputGradient(int, const at::Tensor&) override { return Refuse(); }
  void WeightGradient(int) override { Refuse(); }
  void Reduce() override { Refuse(); }

 private:
  static at::Tensor Refuse() {
    TORCH_CHECK(false, "ScoreTokens: found an action of training, expected forwards alone");
  }

  const PackedBatch& Batch(int micro_batch) const {
    const int64_t m = micro_batch_of_.at(micro_batch);
    return m < static_cast<int64_t>(micro_batches_.size()) ? micro_batches_[m] : empty_;
  }

  Transformer& model_;
  ParameterStore& store_;
  const std::vector<PackedBatch>& micro_batches_;
  const std::vector<int64_t>& micro_batch_of_;
  const double temperature_;
  std::string& bytes_;
  const PackedBatch empty_;
};

}  // namespace

std::vector<at::Tensor> ScoreTokens(RankModel& model, const std::vector<PackedBatch>& micro_batches,
                                    double temperature) {
  c10::NoGradGuard no_grad;
  const StepPlan step = MakeStepPlan(model, static_cast<int64_t>(micro_batches.size()),
                                     /*forward_only=*/true);
  std::string bytes;
  std::vector<std::unique_ptr<ChunkScorer>> stages;
  std::vector<ChunkWork*> driven;
  for (ModelChunk& chunk : model.chunks()) {
    stages.push_back(std::make_unique<ChunkScorer>(chunk, micro_batches, step.micro_batch_of,
                                                   temperature, bytes));
    driven.push_back(stages.back().get());
  }
  Execute(step.plan, driven, *model.ranks().pipeline);

  std::vector<at::Tensor> results(micro_batches.size());
  for (const std::string& theirs : model.ranks().world->AllGatherBytes(bytes)) {
    for (size_t at = 0; at < theirs.size();) {
      int64_t m;
      std::memcpy(&m, theirs.data() + at, sizeof(m));
      at += sizeof(m);
      std::vector<float> log_probs(static_cast<size_t>(micro_batches[m].num_tokens()));
      std::memcpy(log_probs.data(), theirs.data() + at, log_probs.size() * sizeof(float));
      at += log_probs.size() * sizeof(float);
      results[m] = at::tensor(log_probs, micro_batches[m][Column::kWeight].options());
    }
  }
  return results;
}

}  // namespace deduce
