#include "rl/algorithm/grpo.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "configs/status.h"
#include "data/records/packing.h"
#include "kernels/random.h"
#include "rl/algorithm/advantage.h"
#include "rl/algorithm/grpo_loss.h"
#include "rl/algorithm/rollout_metrics.h"
#include "rl/reward/registry.h"
#include "trainer/metrics/clock.h"
#include "trainer/step/learning_rate.h"
#include "trainer/step/score_tokens.h"
#include "trainer/step/tensor_slices.h"

namespace deduce {
namespace {

// A sample as a sequence to train on: only its completion has weight.
PackItem ToItem(const Prompt& prompt, const Sample& sample, double advantage, double token_weight) {
  PackItem item{.tokens = prompt.tokens, .sample_id = static_cast<int64_t>(sample.index)};
  item.prompt_length = static_cast<int64_t>(prompt.tokens.size());
  item.tokens.insert(item.tokens.end(), sample.completion.tokens.begin(),
                     sample.completion.tokens.end());
  item.columns = {{Column::kWeight, {static_cast<float>(token_weight)}},
                  {Column::kAdvantage, {static_cast<float>(advantage)}},
                  {Column::kSamplerLogProb, sample.completion.log_probs}};
  return item;
}

// The rollouts with these indices as one optimizer step's batch.
StepBatch MakeMiniBatch(const StageConfig& stage, const GrpoResult& rollouts,
                        const std::vector<bool>& trains, const std::vector<int64_t>& indices) {
  const GrpoConfig& config = stage.grpo();
  std::vector<int64_t> completion_lengths, sequence_lengths;
  std::vector<bool> mini_trains;
  for (const int64_t i : indices) {
    const Prompt& prompt = rollouts.prompts[i / config.num_generations()];
    completion_lengths.push_back(
        static_cast<int64_t>(rollouts.samples[i].completion.tokens.size()));
    sequence_lengths.push_back(completion_lengths.back() +
                               static_cast<int64_t>(prompt.tokens.size()));
    mini_trains.push_back(trains[i]);
  }
  const GrpoWeights weights = MakeGrpoWeights(config.loss_type(), completion_lengths, mini_trains,
                                              config.max_completion_length());
  StepBatch mini_batch{.count = weights.count};
  for (const std::vector<int64_t>& bin : PackEvenly(sequence_lengths, stage.micro_batch_tokens())) {
    std::vector<PackItem> items;
    for (const int64_t b : bin) {
      const int64_t i = indices[b];
      items.push_back(ToItem(rollouts.prompts[i / config.num_generations()], rollouts.samples[i],
                             rollouts.advantages[i], weights.token_weight[b]));
    }
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

Grpo::Grpo(const StageConfig& stage, PromptStream prompts, RewardSet rewards,
           std::shared_ptr<const Tokenizer> tokenizer, uint64_t seed)
    : stage_(stage),
      prompts_(std::move(prompts)),
      rewards_(std::move(rewards)),
      tokenizer_(std::move(tokenizer)),
      rollout_stream_(RandomStream(seed, "rollout/" + stage.name())),
      shuffle_stream_(RandomStream(seed, "shuffle/" + stage.name())) {}

absl::StatusOr<Grpo> Grpo::Create(const StageConfig& stage, uint64_t seed,
                                  std::shared_ptr<const Tokenizer> tokenizer,
                                  const std::string& where) {
  ASSIGN_OR_RETURN(PromptStream prompts, PromptStream::Create(stage.data(), seed, tokenizer,
                                                              stage.grpo().max_prompt_length(),
                                                              where + ".data", AnswerVerifiers()));
  ASSIGN_OR_RETURN(RewardSet rewards,
                   RewardSet::Create(stage.grpo().reward(), where + ".grpo.reward"));
  return Grpo(stage, std::move(prompts), std::move(rewards), std::move(tokenizer), seed);
}

std::vector<StepBatch> Grpo::MiniBatches(const GrpoResult& rollouts,
                                         const std::vector<bool>& trains, int64_t step,
                                         int64_t iteration) const {
  const GrpoConfig& config = stage_.grpo();
  std::vector<int64_t> order(rollouts.samples.size());
  std::iota(order.begin(), order.end(), 0);
  if (config.num_mini_batches() > 1) {
    const uint64_t epoch = static_cast<uint64_t>(step * config.num_iterations() + iteration);
    const auto key = [&](int64_t i) {
      return RandomBits(shuffle_stream_, epoch, static_cast<uint64_t>(i))[0];
    };
    std::sort(order.begin(), order.end(),
              [&](int64_t a, int64_t b) { return std::pair(key(a), a) < std::pair(key(b), b); });
  }
  const int64_t each = static_cast<int64_t>(order.size()) / config.num_mini_batches();
  std::vector<StepBatch> mini_batches;
  for (auto first = order.begin(); first != order.end(); first += each) {
    mini_batches.push_back(MakeMiniBatch(stage_, rollouts, trains, {first, first + each}));
  }
  return mini_batches;
}

absl::StatusOr<SampleSet> Grpo::Rollouts(TrainState& state, int64_t step,
                                         GrpoResult& result) const {
  const GrpoConfig& config = stage_.grpo();
  for (int64_t p = 0; p < config.prompts_per_step(); ++p) {
    ASSIGN_OR_RETURN(
        Prompt prompt,
        prompts_.Get(Split::kTrain, static_cast<uint64_t>(step * config.prompts_per_step() + p)));
    result.prompts.push_back(std::move(prompt));
  }
  const GenerationOptions generation{.max_new_tokens = config.max_completion_length(),
                                     .temperature = config.temperature(),
                                     .top_p = config.top_p(),
                                     .end_ids = prompts_.end_ids(),
                                     .stream = rollout_stream_,
                                     .step = static_cast<uint64_t>(step),
                                     .max_batch = config.rollout_batch_size()};
  SampleSet set = RolloutAndGrade(state.model, state.model.ranks(), *tokenizer_, result.prompts,
                                  config.num_generations(), generation, rewards_);
  result.samples = std::move(set.samples);
  return set;
}

absl::StatusOr<GrpoResult> Grpo::Step(TrainState& state, RankModel& reference, int64_t step) const {
  const GrpoConfig& config = stage_.grpo();
  GrpoResult result;

  ASSIGN_OR_RETURN(const SampleSet set, Rollouts(state, step, result));

  // Advantages.
  std::vector<double> rewards;
  std::vector<bool> scorable, trains;
  for (const Sample& sample : result.samples) {
    rewards.push_back(sample.scored.total);
    scorable.push_back(!sample.scored.unscorable);
    trains.push_back(scorable.back() &&
                     !(config.mask_truncated_completions() && sample.completion.truncated));
  }
  result.advantages =
      Advantages(rewards, config.num_generations(), config.scale_rewards(), scorable);

  // Updates.
  const GrpoLoss loss(config);
  RolloutMetrics metrics(result.samples, config, set);
  for (int64_t iteration = 0; iteration < config.num_iterations(); ++iteration) {
    std::vector<StepBatch> mini_batches = MiniBatches(result, trains, step, iteration);
    const double reference_start = SecondsNow();
    if (config.beta() != 0) {
      ScoreWithReference(reference, config.temperature(), mini_batches);
    }
    const double train_start = SecondsNow();
    for (const StepBatch& mini_batch : mini_batches) {
      const int64_t updates = state.num_updates();
      const double rate = LearningRate(stage_.optimizer(), step, stage_.steps());
      const StepStats stats = TrainStep(state, mini_batch, loss,
                                        {.learning_rate = rate, .optimizer = stage_.optimizer()});
      metrics.AddUpdate(stats);
      result.num_tokens += stats.num_tokens;
      const int64_t interval = config.ref_update_interval();
      if (interval > 0 && stats.finite && (updates + 1) % interval == 0) {
        CopyWeights(state.model, reference);
      }
    }
    metrics.AddTimes(train_start - reference_start, SecondsNow() - train_start);
  }
  result.last_update = metrics.Combined();
  result.metrics = metrics.Record();
  return result;
}

}  // namespace deduce
