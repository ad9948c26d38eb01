#include "trainer/step/supervised.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "configs/status.h"
#include "data/records/packing.h"
#include "trainer/step/cross_entropy.h"

namespace deduce {
namespace {

// A micro-batch of samples that are here.
PackedBatch Packed(const DealtSamples& dealt, const std::vector<int64_t>& bin,
                   bool completion_only) {
  std::vector<PackItem> row;
  for (const int64_t i : bin) {
    const TokenSample& sample = dealt.own.at(i);
    PackItem item{.tokens = sample.tokens, .prompt_length = sample.prompt_length, .sample_id = i};
    item.columns[Column::kWeight] = LossWeights(sample, completion_only);
    row.push_back(std::move(item));
  }
  return MakePackedBatch(row);
}

// A micro-batch of another replica, as StepBatch has it.
PackedBatch Outline(const DealtSamples& dealt, const std::vector<int64_t>& bin) {
  PackedBatch outline;
  outline.sample_ids = bin;
  outline.sequence_starts = {0};
  for (const int64_t i : bin) {
    outline.sequence_starts.push_back(outline.sequence_starts.back() + dealt.shapes[i].num_tokens);
  }
  return outline;
}

}  // namespace

bool LearnsCompletionsOnly(const StageConfig& stage) {
  const SupervisedConfig& config = stage.has_sft() ? stage.sft() : stage.pretrain();
  return config.has_completion_only_loss() ? config.completion_only_loss() : !stage.has_pretrain();
}

LearnedTurns TurnsOf(const StageConfig& stage) {
  if (!LearnsCompletionsOnly(stage)) return LearnedTurns::kAllText;
  const SupervisedConfig& config = stage.has_sft() ? stage.sft() : stage.pretrain();
  return config.assistant_only_loss() ? LearnedTurns::kEvery : LearnedTurns::kLast;
}

absl::StatusOr<Supervised> Supervised::Create(const StageConfig& stage, uint64_t seed,
                                              std::shared_ptr<const Tokenizer> tokenizer,
                                              int64_t max_tokens, const std::string& where) {
  ASSIGN_OR_RETURN(SampleStream stream,
                   SampleStream::Create(stage.data(), seed, std::move(tokenizer), max_tokens,
                                        where + ".data", TurnsOf(stage)));
  return Supervised(stage, std::move(stream));
}

Counts CountsOf(const std::vector<SampleShape>& shapes, const SampleLoss& loss) {
  double tokens = 0, next_tokens = 0;
  for (const SampleShape& shape : shapes) {
    if (loss.completion_only && shape.num_learned >= 0) {
      tokens += static_cast<double>(shape.num_learned);
      next_tokens += static_cast<double>(shape.num_learned_ahead);
      continue;
    }
    // LossWeights is 1 from here on; one token ahead, a sequence loses its first prediction.
    const int64_t first = loss.completion_only ? shape.prompt_length - 1 : 0;
    tokens += static_cast<double>(shape.num_tokens - 1 - first);
    next_tokens += static_cast<double>(shape.num_tokens - 1 - std::max<int64_t>(first, 1));
  }
  return CrossEntropy(loss.mtp_weight).MakeCounts(tokens, next_tokens);
}

absl::StatusOr<StepStats> TrainOnSamples(TrainState& state, int64_t num_samples,
                                         const MakeSample& make, int64_t micro_batch_tokens,
                                         const SampleLoss& loss, const StepOptions& options) {
  ASSIGN_OR_RETURN(const DealtSamples dealt,
                   DealSamples(state.model, num_samples, micro_batch_tokens, make));
  StepBatch batch;
  for (const std::vector<int64_t>& bin : dealt.micro_batches) {
    batch.micro_batches.push_back(dealt.own.contains(bin.front())
                                      ? Packed(dealt, bin, loss.completion_only)
                                      : Outline(dealt, bin));
  }
  const bool has_module = state.model.config().num_nextn_predict_layers() > 0;
  const SampleLoss applied{loss.completion_only, has_module ? loss.mtp_weight : 0};
  batch.counts = CountsOf(dealt.shapes, applied);
  return TrainStep(state, batch, CrossEntropy(applied.mtp_weight), options);
}

absl::StatusOr<StepStats> Supervised::Step(TrainState& state, int64_t step,
                                           const StepOptions& options) const {
  const int64_t num_samples = config_.samples_per_step();
  const auto sample = [&](int64_t i) {
    return stream_.Sample(static_cast<uint64_t>(step * num_samples + i));
  };
  return TrainOnSamples(state, num_samples, sample, stage_.micro_batch_tokens(),
                        {LearnsCompletionsOnly(stage_), config_.mtp_loss_weight()}, options);
}

}  // namespace deduce
