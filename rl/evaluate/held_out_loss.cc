#include "rl/evaluate/held_out_loss.h"

#include <algorithm>
#include <utility>

#include "data/records/packing.h"
#include "kernels/host_values.h"
#include "trainer/step/score_tokens.h"

namespace deduce {
namespace {

constexpr size_t kScoredTogether = 64;  // micro-batches, whose tokens are held at a time

PackedBatch PackedSamples(const std::vector<TokenSample>& samples, const std::vector<int64_t>& bin,
                          bool completion_only) {
  std::vector<PackItem> items;
  for (const int64_t i : bin) {
    items.push_back({.tokens = samples[i].tokens,
                     .prompt_length = samples[i].prompt_length,
                     .sample_id = i,
                     .columns = {{Column::kWeight, LossWeights(samples[i], completion_only)}}});
  }
  return MakePackedBatch(items);
}

struct LossSum {
  double loss = 0, tokens = 0;
};

// Adds each sequence of a batch to its sample's sum.
void AddLosses(const PackedBatch& batch, const at::Tensor& log_prob_x, std::vector<LossSum>& sums) {
  const std::vector<float> log_probs = HostValues<float>(log_prob_x);
  const std::vector<float> weights = HostValues<float>(batch[Column::kWeight]);
  for (size_t s = 0; s < batch.sample_ids.size(); ++s) {
    LossSum& sum = sums[batch.sample_ids[s]];
    for (int64_t x = batch.sequence_starts[s]; x < batch.sequence_starts[s + 1]; ++x) {
      if (weights[x] == 0) continue;
      sum.loss -= log_probs[x];
      ++sum.tokens;
    }
  }
}

}  // namespace

double HeldOutLoss(RankModel& model, const std::vector<TokenSample>& samples,
                   int64_t micro_batch_tokens, bool completion_only) {
  std::vector<int64_t> lengths;
  for (const TokenSample& sample : samples)
    lengths.push_back(static_cast<int64_t>(sample.tokens.size()));
  const std::vector<std::vector<int64_t>> bins = PackEvenly(lengths, micro_batch_tokens);
  std::vector<LossSum> sums(samples.size());
  for (size_t first = 0; first < bins.size(); first += kScoredTogether) {
    std::vector<PackedBatch> batches;
    for (size_t b = first; b < std::min(first + kScoredTogether, bins.size()); ++b)
      batches.push_back(PackedSamples(samples, bins[b], completion_only));
    const std::vector<at::Tensor> log_probs = ScoreTokens(model, batches, /*temperature=*/1);
    for (size_t b = 0; b < batches.size(); ++b) AddLosses(batches[b], log_probs[b], sums);
  }
  LossSum all;
  for (const LossSum& sum : sums) {
    all.loss += sum.loss;
    all.tokens += sum.tokens;
  }
  return all.loss / all.tokens;
}

}  // namespace deduce
