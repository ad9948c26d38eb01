#include "rl/rollout/engine.h"

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/records/batch.h"
#include "kernels/random.h"
#include "rl/rollout/sampler.h"
#include "tests/testing/rank_group.h"

namespace deduce {
namespace {

constexpr int64_t kVocabulary = 13;
constexpr int32_t kEos = 1;

// Two layers of latent attention, the second with routed experts, and spread-out output
// distributions.
ModelConfig TinyModel() {
  ModelConfig config;
  config.set_attention(ModelConfig::MLA);
  config.set_vocab_size(kVocabulary);
  config.set_hidden_size(24);
  config.set_intermediate_size(32);
  config.set_num_hidden_layers(2);
  config.set_num_attention_heads(2);
  config.set_max_position_embeddings(32);
  config.set_initializer_range(0.3);
  config.set_q_lora_rank(12);
  config.set_kv_lora_rank(8);
  config.set_qk_nope_head_dim(8);
  config.set_qk_rope_head_dim(4);
  config.set_v_head_dim(8);
  MoeConfig& moe = *config.mutable_moe();
  moe.set_n_routed_experts(4);
  moe.set_num_experts_per_tok(2);
  moe.set_moe_intermediate_size(16);
  return config;
}

// A model over all of a world's ranks.
struct TinyPolicy {
  explicit TinyPolicy(Communicator& world, ModelConfig::Compute compute = ModelConfig::fp32,
                      const std::string& layout_text = "") {
    LayoutConfig config;
    TORCH_CHECK(google::protobuf::TextFormat::ParseFromString(layout_text, &config));
    if (layout_text.empty()) config.set_expert_parallel(world.size());
    const absl::StatusOr<Layout> layout = MakeLayout(config, world.size(), world.rank());
    TORCH_CHECK(layout.ok(), layout.status().ToString());
    ranks = MakeRankGroups(world, *layout);
    ModelConfig model_config = TinyModel();
    model_config.set_compute(compute);
    model = std::make_unique<RankModel>(model_config, 7, ranks, /*sharded=*/true);
  }

  std::vector<Completion> Complete(const std::vector<GenerationRequest>& requests,
                                   const GenerationOptions& options) {
    return Generate(*model, requests, options);
  }
  Transformer& transformer() { return *model->chunks().front().model; }

  RankGroups ranks;
  std::unique_ptr<RankModel> model;
};

GenerationOptions Options() {
  GenerationOptions options;
  options.max_new_tokens = 9;
  options.end_ids = {kEos};
  options.stream = RandomStream(1, "rollout/test");
  options.step = 3;
  return options;
}

// Three groups with prompts of different lengths.
std::vector<GenerationRequest> Requests() {
  return {{.prompt = {2, 3, 4, 5, 6}, .num_generations = 4, .first_sample = 0},
          {.prompt = {7}, .num_generations = 4, .first_sample = 4},
          {.prompt = {8, 9, 10}, .num_generations = 3, .first_sample = 8}};
}

std::vector<Completion> GenerateAlone(const std::vector<GenerationRequest>& requests,
                                      const GenerationOptions& options) {
  const auto world = MakeOneMemberCommunicator();
  return TinyPolicy(*world).Complete(requests, options);
}

void ExpectEqual(const std::vector<Completion>& found, const std::vector<Completion>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    SCOPED_TRACE("completion " + std::to_string(i));
    EXPECT_EQ(found[i].sample, expected[i].sample);
    EXPECT_EQ(found[i].tokens, expected[i].tokens);
    EXPECT_EQ(found[i].log_probs, expected[i].log_probs);
    EXPECT_EQ(found[i].truncated, expected[i].truncated);
  }
}

// Prompts with their completions, one sequence after another.
PackedBatch Pack(const std::vector<std::vector<int32_t>>& sequences) {
  std::vector<int64_t> tokens, positions, targets;
  PackedBatch batch;
  batch.sequence_starts = {0};
  for (const std::vector<int32_t>& sequence : sequences) {
    for (size_t i = 0; i < sequence.size(); ++i) {
      tokens.push_back(sequence[i]);
      positions.push_back(static_cast<int64_t>(i));
      targets.push_back(i + 1 < sequence.size() ? sequence[i + 1] : 0);
    }
    batch.sample_ids.push_back(batch.num_sequences());
    batch.sequence_starts.push_back(static_cast<int64_t>(tokens.size()));
  }
  batch.tokens_x = at::tensor(tokens, at::kLong);
  batch.positions_x = at::tensor(positions, at::kLong);
  batch.targets_x = at::tensor(targets, at::kLong);
  batch.columns[Column::kWeight] = at::zeros({batch.num_tokens()}, at::kFloat);
  return batch;
}

// The same generation without cache or batching: the whole sequence anew for every token.
Completion GenerateNaively(Transformer& model, const std::vector<int32_t>& prompt, uint64_t sample,
                           const GenerationOptions& options) {
  const c10::NoGradGuard no_grad;
  Completion completion{.sample = sample, .tokens = {}, .log_probs = {}, .truncated = true};
  std::vector<int32_t> sequence = prompt;
  for (int64_t i = 0; i < options.max_new_tokens && completion.truncated; ++i) {
    const at::Tensor hidden_xd = model.Forward(Pack({sequence}), false).hidden_xd;
    const at::Tensor row_1v = model.LogProbRows(hidden_xd.narrow(0, hidden_xd.size(0) - 1, 1),
                                                options.temperature == 0 ? 1 : options.temperature);
    const std::span<const float> row(row_1v.const_data_ptr<float>(), kVocabulary);
    const int64_t token =
        options.temperature == 0
            ? row_1v.argmax().item<int64_t>()
            : SampleToken(row, options.top_p,
                          RandomUniform(options.stream, options.step << 32 | sample, i));
    sequence.push_back(static_cast<int32_t>(token));
    completion.tokens.push_back(static_cast<int32_t>(token));
    completion.log_probs.push_back(row[token]);
    completion.truncated = token != kEos;
  }
  return completion;
}

void ExpectEqualToNaive(const GenerationOptions& options) {
  const auto world = MakeOneMemberCommunicator();
  TinyPolicy policy(*world);
  std::vector<Completion> expected;
  for (const GenerationRequest& request : Requests()) {
    for (int64_t i = 0; i < request.num_generations; ++i) {
      expected.push_back(
          GenerateNaively(policy.transformer(), request.prompt, request.first_sample + i, options));
    }
  }
  ExpectEqual(policy.Complete(Requests(), options), expected);
}

TEST(GenerateTest, EqualsGenerationWithoutCacheAndBatching) { ExpectEqualToNaive(Options()); }

TEST(GenerateTest, TopPEqualsGenerationWithoutCacheAndBatching) {
  GenerationOptions options = Options();
  options.top_p = 0.5;
  options.temperature = 1.5;
  ExpectEqualToNaive(options);
}

TEST(GenerateTest, TemperatureZeroTakesTheMostProbableToken) {
  GenerationOptions options = Options();
  options.temperature = 0;
  ExpectEqualToNaive(options);
}

TEST(GenerateTest, BitsDoNotDependOnTheBatchSize) {
  GenerationOptions options = Options();
  const std::vector<Completion> expected = GenerateAlone(Requests(), options);
  for (const int64_t max_batch : {1, 2, 3, 5, 8}) {
    SCOPED_TRACE("max_batch " + std::to_string(max_batch));
    options.max_batch = max_batch;
    ExpectEqual(GenerateAlone(Requests(), options), expected);
  }
}

TEST(GenerateTest, BitsDoNotDependOnTheOrderOfRequests) {
  GenerationOptions options = Options();
  options.max_batch = 3;
  std::vector<GenerationRequest> requests = Requests();
  std::swap(requests[0], requests[2]);
  ExpectEqual(GenerateAlone(requests, options), GenerateAlone(Requests(), options));
}

TEST(GenerateTest, TwoRanksWithSplitExpertsGiveTheBitsOfOne) {
  GenerationOptions options = Options();
  options.max_batch = 3;
  const std::vector<Completion> expected = GenerateAlone(Requests(), options);
  RunRanks(2, [&](Communicator& world) {
    TinyPolicy policy(world);
    const std::vector<GenerationRequest> all = Requests();
    const std::vector<GenerationRequest> mine = world.rank() == 0
                                                    ? std::vector<GenerationRequest>{all[0], all[2]}
                                                    : std::vector<GenerationRequest>{all[1]};
    std::vector<Completion> of_mine;
    for (const Completion& completion : expected) {
      const bool second = completion.sample >= 4 && completion.sample < 8;
      if (second == (world.rank() == 1)) of_mine.push_back(completion);
    }
    ExpectEqual(policy.Complete(mine, options), of_mine);
  });
}

TEST(GenerateTest, EveryRankOfAPipelineHasTheBitsOfOneRank) {
  const std::vector<Completion> expected = GenerateAlone(Requests(), Options());
  for (const std::string schedule : {"1f1b", "dualpipe"}) {
    RunRanks(2, [&](Communicator& world) {
      const std::string layout = "pipeline_parallel: 2 schedule: \"" + schedule + "\"";
      TinyPolicy policy(world, ModelConfig::fp32, layout);
      ExpectEqual(policy.Complete(Requests(), Options()), expected);
    });
  }
}

TEST(GenerateTest, ARankWithoutRequestsJoinsUntilTheOthersAreDone) {
  const std::vector<Completion> expected = GenerateAlone(Requests(), Options());
  RunRanks(2, [&](Communicator& world) {
    TinyPolicy policy(world);
    const bool idle = world.rank() == 0;
    ExpectEqual(policy.Complete(idle ? std::vector<GenerationRequest>{} : Requests(), Options()),
                idle ? std::vector<Completion>{} : expected);
  });
}

void ExpectLogProbsOfThePackedForward(ModelConfig::Compute compute) {
  GenerationOptions options = Options();
  options.temperature = 0.8;
  const auto world = MakeOneMemberCommunicator();
  TinyPolicy policy(*world, compute);
  std::vector<std::vector<int32_t>> sequences;
  const std::vector<Completion> generated = policy.Complete(Requests(), options);
  for (const Completion& completion : generated) {
    const size_t request = completion.sample < 4 ? 0 : completion.sample < 8 ? 1 : 2;
    sequences.push_back(Requests()[request].prompt);
    sequences.back().insert(sequences.back().end(), completion.tokens.begin(),
                            completion.tokens.end());
  }
  const PackedBatch batch = Pack(sequences);
  // With the graph, as the trainer runs it.
  const ForwardResult forward = policy.transformer().Forward(batch, false);
  const at::Tensor log_prob_x =
      policy.transformer()
          .LogProbs(forward.hidden_xd, batch.targets_x, options.temperature)
          .log_prob_t.detach();
  for (size_t s = 0; s < generated.size(); ++s) {
    const int64_t length = static_cast<int64_t>(generated[s].tokens.size());
    const float* packed =
        log_prob_x.const_data_ptr<float>() + batch.sequence_starts[s + 1] - 1 - length;
    EXPECT_EQ(std::vector<float>(packed, packed + length), generated[s].log_probs)
        << "sample " << s;
  }
}

TEST(GenerateTest, LogProbsAreThoseOfThePackedForwardToTheLastBit) {
  ExpectLogProbsOfThePackedForward(ModelConfig::fp32);
}

TEST(GenerateTest, SoTheyAreInBfloat16) { ExpectLogProbsOfThePackedForward(ModelConfig::bf16); }

TEST(GenerateTest, RoundedWeightsAreGoneAfterwards) {
  const auto world = MakeOneMemberCommunicator();
  TinyPolicy policy(*world, ModelConfig::bf16);
  policy.Complete(Requests(), Options());
  for (const Parameter& parameter : policy.transformer().parameters())
    EXPECT_FALSE(parameter.rounded.defined());
}

TEST(GenerateTest, EveryCompletionEndsAtItsEndTokenOrIsTruncated) {
  int finished = 0, truncated = 0;
  for (const Completion& completion : GenerateAlone(Requests(), Options())) {
    const auto end = std::find(completion.tokens.begin(), completion.tokens.end(), kEos);
    EXPECT_EQ(completion.truncated, end == completion.tokens.end());
    EXPECT_EQ(completion.log_probs.size(), completion.tokens.size());
    if (completion.truncated) {
      EXPECT_EQ(completion.tokens.size(), 9u);
      ++truncated;
    } else {
      EXPECT_EQ(end + 1, completion.tokens.end());
      ++finished;
    }
  }
  // The seed is one with both, or the test would show nothing.
  EXPECT_GT(finished, 0);
  EXPECT_GT(truncated, 0);
}

TEST(GenerateTest, SamplesStepsAndStreamsDrawDifferently) {
  const std::vector<Completion> expected = GenerateAlone(Requests(), Options());
  EXPECT_NE(expected[0].tokens, expected[1].tokens);
  GenerationOptions other_step = Options(), other_stream = Options();
  other_step.step = 4;
  other_stream.stream = RandomStream(2, "rollout/test");
  EXPECT_NE(GenerateAlone(Requests(), other_step)[0].tokens, expected[0].tokens);
  EXPECT_NE(GenerateAlone(Requests(), other_stream)[0].tokens, expected[0].tokens);
}

TEST(GenerateTest, FirstTokensHaveTheFrequenciesOfTheModel) {
  constexpr int64_t kSamples = 1000;
  GenerationOptions options = Options();
  options.max_new_tokens = 1;
  const std::vector<int32_t> prompt = {2, 3, 4};
  const std::vector<Completion> completions =
      GenerateAlone({{.prompt = prompt, .num_generations = kSamples, .first_sample = 0}}, options);
  std::vector<int> counts(kVocabulary);
  std::vector<double> probability(kVocabulary);  // as recorded with the tokens
  for (const Completion& completion : completions) {
    ++counts[completion.tokens[0]];
    probability[completion.tokens[0]] = std::exp(completion.log_probs[0]);
  }
  for (int64_t v = 0; v < kVocabulary; ++v) {
    const double p = probability[v];
    EXPECT_NEAR(counts[v], kSamples * p, 4 * std::sqrt(kSamples * p * (1 - p))) << "token " << v;
  }
}

TEST(GenerateTest, RequestsThatDoNotFitThrow) {
  EXPECT_THROW(GenerateAlone({{.prompt = {}, .num_generations = 1, .first_sample = 0}}, Options()),
               c10::Error);
  EXPECT_THROW(
      GenerateAlone(
          {{.prompt = std::vector<int32_t>(24, 2), .num_generations = 1, .first_sample = 0}},
          Options()),
      c10::Error);
}

}  // namespace
}  // namespace deduce
