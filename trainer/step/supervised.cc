#include "trainer/step/supervised.h"

#include <utility>
#include <vector>

#include "configs/status.h"
#include "data/records/packing.h"
#include "trainer/step/cross_entropy.h"

namespace deduce {

absl::StatusOr<Supervised> Supervised::Create(const StageConfig& stage, uint64_t seed,
                                              std::shared_ptr<const Tokenizer> tokenizer,
                                              int64_t max_tokens, const std::string& where) {
  ASSIGN_OR_RETURN(
      SampleStream stream,
      SampleStream::Create(stage.data(), seed, std::move(tokenizer), max_tokens, where + ".data"));
  return Supervised(stage, std::move(stream));
}

StepStats TrainOnSamples(TrainState& state, const std::vector<TokenSample>& samples,
                         int64_t micro_batch_tokens, const SampleLoss& loss,
                         const StepOptions& options) {
  std::vector<int64_t> lengths;
  for (const TokenSample& sample : samples)
    lengths.push_back(static_cast<int64_t>(sample.tokens.size()));
  StepBatch batch;
  for (const std::vector<int64_t>& bin : PackEvenly(lengths, micro_batch_tokens)) {
    std::vector<PackItem> row;
    for (const int64_t i : bin) {
      PackItem item{.tokens = samples[i].tokens, .sample_id = i};
      item.prompt_length = samples[i].prompt_length;
      item.columns[Column::kWeight] = LossWeights(samples[i], loss.completion_only);
      row.push_back(std::move(item));
    }
    batch.micro_batches.push_back(MakePackedBatch(row));
  }
  const bool has_module = state.model.config().num_nextn_predict_layers() > 0;
  const CrossEntropy objective(has_module ? loss.mtp_weight : 0);
  batch.counts = objective.CountsOf(batch.micro_batches);
  return TrainStep(state, batch, objective, options);
}

absl::StatusOr<StepStats> Supervised::Step(TrainState& state, int64_t step,
                                           const StepOptions& options) const {
  const int64_t num_samples = config_.samples_per_step();
  const bool completion_only =
      config_.has_completion_only_loss() ? config_.completion_only_loss() : stage_.has_sft();
  std::vector<TokenSample> samples;
  for (int64_t i = 0; i < num_samples; ++i) {
    ASSIGN_OR_RETURN(samples.emplace_back(),
                     stream_.Sample(static_cast<uint64_t>(step * num_samples + i)));
  }
  return TrainOnSamples(state, samples, stage_.micro_batch_tokens(),
                        {completion_only, config_.mtp_loss_weight()}, options);
}

}  // namespace deduce
