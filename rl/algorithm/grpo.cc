#include "rl/algorithm/grpo.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "configs/status.h"
#include "data/records/packing.h"
#include "kernels/random.h"
#include "rl/algorithm/loss_table.h"
#include "rl/algorithm/policy_objective.h"
#include "rl/algorithm/rollout_metrics.h"
#include "trainer/metrics/clock.h"
#include "trainer/step/score_tokens.h"
#include "trainer/step/tensor_slices.h"

namespace deduce {
namespace {

// Fills in the advantage of every sample, and its weight: whether it trains.
void SetAdvantages(const GrpoConfig& config, SampleTable& table) {
  std::vector<double> rewards;
  std::vector<uint64_t> groups;
  std::vector<bool> scorable;
  for (const Sample& sample : table.sample()) {
    rewards.push_back(sample.reward());
    groups.push_back(sample.group());
    scorable.push_back(sample.has_reward());
  }
  const std::vector<double> advantages =
      FindLoss(config.loss_type()).advantages(rewards, groups, config.scale_rewards(), scorable);
  for (int i = 0; i < table.sample_size(); ++i) {
    Sample& sample = *table.mutable_sample(i);
    const bool masked = config.mask_truncated_completions() && sample.status() == Sample::truncated;
    sample.set_advantage(advantages[i]);
    sample.set_weight(sample.has_reward() && !masked ? 1 : 0);
  }
}

// Tokens of the completion that its mask lets train.
int64_t NumTrainedTokens(const Sample& sample) {
  if (sample.mask().empty()) return sample.completion_tokens_size();
  return std::count_if(sample.mask().begin(), sample.mask().end(),
                       [](float mask) { return mask != 0; });
}

// A sample as a sequence to train on: only its completion has weight.
PackItem ToItem(const Sample& sample, double token_weight) {
  PackItem item{.prompt_length = sample.prompt_tokens_size(),
                .sample_id = static_cast<int64_t>(sample.sample())};
  item.tokens.assign(sample.prompt_tokens().begin(), sample.prompt_tokens().end());
  item.tokens.insert(item.tokens.end(), sample.completion_tokens().begin(),
                     sample.completion_tokens().end());
  std::vector<float> weights = {static_cast<float>(token_weight * sample.weight())};
  if (!sample.mask().empty()) {
    const float weight = weights[0];
    weights.assign(sample.mask().begin(), sample.mask().end());
    for (float& of_token : weights) of_token *= weight;
  }
  item.columns = {{Column::kWeight, std::move(weights)},
                  {Column::kAdvantage, {static_cast<float>(sample.advantage())}},
                  {Column::kSamplerLogProb,
                   {sample.sampler_log_probs().begin(), sample.sampler_log_probs().end()}}};
  return item;
}

// The samples at these places of the table as one optimizer step's batch.
StepBatch MakeMiniBatch(const StageConfig& stage, const SampleTable& table,
                        const std::vector<int>& places) {
  const GrpoConfig& config = stage.grpo();
  std::vector<int64_t> completion_lengths, sequence_lengths;
  std::vector<bool> trains;
  for (const int i : places) {
    const Sample& sample = table.sample(i);
    completion_lengths.push_back(NumTrainedTokens(sample));
    sequence_lengths.push_back(sample.prompt_tokens_size() + sample.completion_tokens_size());
    trains.push_back(sample.weight() != 0 && completion_lengths.back() > 0);
  }
  const PolicyWeights weights = MakePolicyWeights(FindLoss(config.loss_type()), completion_lengths,
                                                  trains, config.max_completion_length());
  StepBatch mini_batch{.counts = {{PolicyObjective::kPolicyCount, weights.count}}};
  for (const std::vector<int64_t>& bin : PackEvenly(sequence_lengths, stage.micro_batch_tokens())) {
    std::vector<PackItem> items;
    for (const int64_t b : bin)
      items.push_back(ToItem(table.sample(places[b]), weights.token_weight[b]));
    mini_batch.micro_batches.push_back(MakePackedBatch(items));
  }
  return mini_batch;
}

// Collective. Fills in the reference's log-probabilities.
void ScoreWithReference(RankModel& reference, double temperature,
                        std::vector<StepBatch>& mini_batches) {
  std::vector<PackedBatch> all;
  for (const StepBatch& mini_batch : mini_batches) {
    all.insert(all.end(), mini_batch.micro_batches.begin(), mini_batch.micro_batches.end());
  }
  const std::vector<at::Tensor> log_probs = ScoreTokens(reference, all, temperature);
  size_t i = 0;
  for (StepBatch& mini_batch : mini_batches) {
    for (PackedBatch& batch : mini_batch.micro_batches)
      batch.columns[Column::kReferenceLogProb] = log_probs[i++];
  }
}

}  // namespace

Grpo::Grpo(const StageConfig& stage, uint64_t seed, std::shared_ptr<RolloutSource> source)
    : stage_(stage),
      source_(std::move(source)),
      shuffle_stream_(RandomStream(seed, "shuffle/" + stage.name())) {}

absl::StatusOr<Grpo> Grpo::Create(const StageConfig& stage, uint64_t seed,
                                  std::shared_ptr<const Tokenizer> tokenizer,
                                  const std::string& where) {
  ASSIGN_OR_RETURN(std::shared_ptr<RolloutSource> source,
                   SynchronousRollouts::Create(stage, seed, std::move(tokenizer), where));
  return Grpo(stage, seed, std::move(source));
}

std::vector<StepBatch> Grpo::MiniBatches(const SampleTable& table, int64_t step,
                                         int64_t iteration) const {
  const GrpoConfig& config = stage_.grpo();
  std::vector<int> order(table.sample_size());
  std::iota(order.begin(), order.end(), 0);
  if (config.num_mini_batches() > 1) {
    const uint64_t epoch = static_cast<uint64_t>(step * config.num_iterations() + iteration);
    const auto key = [&](int i) {
      return std::pair(RandomBits(shuffle_stream_, epoch, table.sample(i).sample())[0], i);
    };
    std::sort(order.begin(), order.end(), [&](int a, int b) { return key(a) < key(b); });
  }
  const int64_t samples = table.sample_size(), parts = config.num_mini_batches();
  std::vector<StepBatch> mini_batches;
  for (int64_t part = 0; part < parts; ++part) {
    mini_batches.push_back(MakeMiniBatch(
        stage_, table,
        {order.begin() + part * samples / parts, order.begin() + (part + 1) * samples / parts}));
  }
  return mini_batches;
}

absl::StatusOr<GrpoResult> Grpo::Step(TrainState& state, RankModel* reference, int64_t step,
                                      const StepOptions& options) const {
  const GrpoConfig& config = stage_.grpo();
  GrpoResult result;
  RETURN_IF_ERROR(source_->Start(state.model, step, state.num_updates()));
  ASSIGN_OR_RETURN(result.samples, source_->Take());
  SetAdvantages(config, result.samples);

  // Updates.
  const PolicyObjective objective(config, FindLoss(config.loss_type()));
  RolloutMetrics metrics(result.samples);
  for (int64_t iteration = 0; iteration < config.num_iterations(); ++iteration) {
    std::vector<StepBatch> mini_batches = MiniBatches(result.samples, step, iteration);
    const double reference_start = SecondsNow();
    if (config.beta() != 0) {
      ScoreWithReference(*reference, config.temperature(), mini_batches);
    }
    const double train_start = SecondsNow();
    for (const StepBatch& mini_batch : mini_batches) {
      const int64_t updates = state.num_updates();
      const StepStats stats = TrainStep(state, mini_batch, objective, options);
      metrics.AddUpdate(stats);
      result.num_tokens += stats.num_tokens;
      const int64_t interval = config.ref_update_interval();
      const bool due = interval > 0 && stats.finite && (updates + 1) % interval == 0;
      if (due && reference != nullptr) {
        CopyWeights(state.model, *reference);
      }
    }
    metrics.AddTimes(train_start - reference_start, SecondsNow() - train_start);
  }
  result.last_update = metrics.Combined();
  result.metrics = metrics.Record();
  return result;
}

}  // namespace deduce
