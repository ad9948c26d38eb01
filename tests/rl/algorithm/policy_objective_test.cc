#include "rl/algorithm/policy_objective.h"

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>

#include "data/records/packing.h"
#include "tests/testing/rank_group.h"
#include "tests/trainer/pipeline_layouts.h"

namespace deduce {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

struct Token {
  double log_prob = -1, old_log_prob = -1, ref_log_prob = -1, advantage = 1, weight = 1;
};

struct Example {
  PackedBatch batch;
  TokenLogProbs log_probs;
};

at::Tensor Values(const std::vector<Token>& tokens, double Token::*field) {
  std::vector<float> values;
  for (const Token& token : tokens) values.push_back(static_cast<float>(token.*field));
  return at::tensor(values, at::kFloat);
}

Example MakeExample(const std::vector<Token>& tokens) {
  Example example;
  const int64_t n = static_cast<int64_t>(tokens.size());
  example.batch.tokens_x = at::zeros({n}, at::kLong);
  example.batch.sequence_starts = {0, n};
  example.batch.sample_ids = {0};
  example.batch.columns[Column::kWeight] = Values(tokens, &Token::weight);
  example.batch.columns[Column::kAdvantage] = Values(tokens, &Token::advantage);
  example.batch.columns[Column::kSamplerLogProb] = Values(tokens, &Token::old_log_prob);
  example.batch.columns[Column::kReferenceLogProb] = Values(tokens, &Token::ref_log_prob);
  example.log_probs.log_prob_t = Values(tokens, &Token::log_prob).set_requires_grad(true);
  example.log_probs.entropy_t = Values(tokens, &Token::log_prob).neg();
  return example;
}

GrpoConfig Config(double beta, double epsilon) {
  GrpoConfig config;
  config.set_beta(beta);
  config.set_epsilon(epsilon);
  return config;
}

LossTerms Terms(const GrpoConfig& config, const Example& example,
                const LossRecord& record = FindLoss(GrpoConfig::grpo)) {
  return PolicyObjective(config, record)(LossContext(example.batch, example.log_probs));
}

double Sum(const GrpoConfig& config, const std::vector<Token>& tokens) {
  return Terms(config, MakeExample(tokens)).components.at(0).sum.item<float>();
}

std::vector<double> Gradient(const GrpoConfig& config, const std::vector<Token>& tokens) {
  const Example example = MakeExample(tokens);
  Terms(config, example).components.at(0).sum.backward();
  const at::Tensor gradient = example.log_probs.log_prob_t.grad();
  return {gradient.const_data_ptr<float>(), gradient.const_data_ptr<float>() + gradient.numel()};
}

std::map<std::string, double> Metrics(const GrpoConfig& config, const std::vector<Token>& tokens) {
  const Example example = MakeExample(tokens);
  std::map<std::string, double> metrics;
  for (const auto& [name, sum] : Terms(config, example).metric_sums)
    metrics[name] = sum.item<double>();
  return metrics;
}

// The formula of the paper, one token, in double.
double NaiveLoss(const GrpoConfig& config, const Token& token) {
  const double high = config.has_epsilon_high() ? config.epsilon_high() : config.epsilon();
  const double ratio = std::exp(token.log_prob - token.old_log_prob);
  const double clipped = std::min(std::max(ratio, 1 - config.epsilon()), 1 + high);
  const double surrogate = std::min(ratio * token.advantage, clipped * token.advantage);
  const double d = token.ref_log_prob - token.log_prob;
  double kl = std::exp(d) - d - 1;
  if (config.kl_estimator() == GrpoConfig::k1) kl = -d;
  if (config.kl_estimator() == GrpoConfig::k2) kl = d * d / 2;
  return -(surrogate - config.beta() * kl) * token.weight;
}

// Tokens on both sides of every clip, with both signs of the advantage; none within 0.01 of a kink
// for epsilon 0.2 and 0.28.
std::vector<Token> MixedTokens() {
  std::vector<Token> tokens;
  for (const double shift : {-0.9, -0.3, -0.1, 0.05, 0.15, 0.22, 0.4, 1.1}) {
    for (const double advantage : {-1.3, 0.0, 0.7}) {
      const double i = static_cast<double>(tokens.size());
      tokens.push_back({.log_prob = -2 + shift,
                        .old_log_prob = -2,
                        .ref_log_prob = -2 + std::sin(i),
                        .advantage = advantage,
                        .weight = 0.1 + 0.02 * i});
    }
  }
  return tokens;
}

// A pseudo-random batch of samples: some tokens of prompt (weight 0), then the completion.
std::vector<std::vector<Token>> RandomSamples() {
  std::vector<std::vector<Token>> samples;
  for (int s = 0; s < 40; ++s) {
    std::vector<Token> sample(3, Token{.weight = 0});
    const int length = 1 + (s * 7) % 19;
    for (int i = 0; i < length; ++i) {
      const double noise = std::sin(12.9 * s + 78.2 * i);
      sample.push_back({.log_prob = -1 + 0.3 * noise,
                        .old_log_prob = -1,
                        .ref_log_prob = -1.2 - 0.5 * noise,
                        .advantage = std::cos(1.0 * s),
                        .weight = 1.0 / length});
    }
    samples.push_back(sample);
  }
  return samples;
}

TEST(PolicyObjectiveTest, ValueIsTheFormulaOfThePaper) {
  for (const auto estimator : {GrpoConfig::k1, GrpoConfig::k2, GrpoConfig::k3}) {
    GrpoConfig config = Config(0.04, 0.2);
    config.set_epsilon_high(0.28);
    config.set_kl_estimator(estimator);
    double expected = 0, magnitude = 0;
    for (const Token& token : MixedTokens()) {
      expected += NaiveLoss(config, token);
      magnitude += std::abs(NaiveLoss(config, token));
    }
    // A handful of fp32 roundings a term.
    EXPECT_NEAR(Sum(config, MixedTokens()), expected, 8 * std::ldexp(magnitude, -24));
  }
}

TEST(PolicyObjectiveTest, GradientIsTheDifferenceQuotientOfTheFormula) {
  for (const auto estimator : {GrpoConfig::k1, GrpoConfig::k2, GrpoConfig::k3}) {
    GrpoConfig config = Config(0.04, 0.2);
    config.set_epsilon_high(0.28);
    config.set_kl_estimator(estimator);
    const std::vector<Token> tokens = MixedTokens();
    const std::vector<double> gradient = Gradient(config, tokens);
    for (size_t i = 0; i < tokens.size(); ++i) {
      const double h = 1e-5;
      Token above = tokens[i], below = tokens[i];
      above.log_prob += h;
      below.log_prob -= h;
      const double quotient = (NaiveLoss(config, above) - NaiveLoss(config, below)) / (2 * h);
      EXPECT_NEAR(gradient[i], quotient, 2e-6) << "token " << i;
    }
  }
}

TEST(PolicyObjectiveTest, OnPolicyGradientIsThePolicyGradient) {
  std::vector<Token> tokens;
  for (const double advantage : {-2.0, -0.5, 0.0, 0.25, 3.0}) {
    tokens.push_back(
        {.log_prob = -0.7, .old_log_prob = -0.7, .advantage = advantage, .weight = 0.5});
  }
  EXPECT_THAT(Gradient(Config(0, 0.2), tokens), ElementsAre(1.0, 0.25, 0.0, -0.125, -1.5));
}

TEST(PolicyObjectiveTest, ClippedTokensHaveNoGradientOnTheFavourableSideOnly) {
  const std::vector<Token> tokens = {
      {.log_prob = -0.5, .old_log_prob = -1, .advantage = 1},    // ratio 1.65, good: clipped
      {.log_prob = -0.5, .old_log_prob = -1, .advantage = -1},   // ratio 1.65, bad: pulled back
      {.log_prob = -1.5, .old_log_prob = -1, .advantage = 1},    // ratio 0.61, good: pulled back
      {.log_prob = -1.5, .old_log_prob = -1, .advantage = -1}};  // ratio 0.61, bad: clipped
  const std::vector<double> gradient = Gradient(Config(0, 0.2), tokens);
  EXPECT_EQ(gradient[0], 0);
  EXPECT_GT(gradient[1], 0);
  EXPECT_LT(gradient[2], 0);
  EXPECT_EQ(gradient[3], 0);
  const auto metrics = Metrics(Config(0, 0.2), tokens);
  EXPECT_EQ(metrics.at("clip_low"), 1);
  EXPECT_EQ(metrics.at("clip_high"), 1);
}

TEST(PolicyObjectiveTest, EpsilonTenNeverClipsANegativeAdvantageAndOnlyRatiosAboveElevenElse) {
  std::vector<Token> tokens;
  for (const double ratio : {1e-6, 0.1, 1.0, 10.9, 11.1, 1000.0}) {
    for (const double advantage : {-1.0, 1.0}) {
      tokens.push_back(
          {.log_prob = std::log(ratio) - 8, .old_log_prob = -8, .advantage = advantage});
    }
  }
  const std::vector<double> gradient = Gradient(Config(0, 10), tokens);
  for (size_t i = 0; i < tokens.size(); ++i) {
    const bool clipped = tokens[i].advantage > 0 && i >= 8;
    EXPECT_EQ(gradient[i] == 0, clipped) << "token " << i;
  }
  EXPECT_EQ(Metrics(Config(0, 10), tokens).at("clip_low"), 0);
  EXPECT_EQ(Metrics(Config(0, 10), tokens).at("clip_high"), 2);
}

TEST(PolicyObjectiveTest, UnsetEpsilonHighIsEpsilon) {
  GrpoConfig both = Config(0.1, 0.2);
  both.set_epsilon_high(0.2);
  EXPECT_EQ(Sum(Config(0.1, 0.2), MixedTokens()), Sum(both, MixedTokens()));
}

TEST(PolicyObjectiveTest, K3IsNeverNegativeAndZeroOnlyAtTheReference) {
  for (const double d : {-20.0, -1.0, -1e-3, 0.0, 1e-3, 1.0, 3.0}) {
    const double kl = Metrics(Config(1, 0.2), {{.log_prob = -1, .ref_log_prob = -1 + d}}).at("kl");
    if (d == 0) {
      EXPECT_EQ(kl, 0);
    } else {
      EXPECT_GT(kl, 0) << "d " << d;
    }
  }
}

TEST(PolicyObjectiveTest, TokensWithoutWeightTakeNoPartWhateverTheyHold) {
  const double infinity = std::numeric_limits<double>::infinity();
  const Token prompt = {
      .log_prob = -1, .old_log_prob = -infinity, .ref_log_prob = 1e30, .weight = 0};
  std::vector<Token> with = MixedTokens();
  with.insert(with.begin() + 5, prompt);
  with.push_back(prompt);
  EXPECT_EQ(Sum(Config(0.1, 0.2), with), Sum(Config(0.1, 0.2), MixedTokens()));
  EXPECT_EQ(Metrics(Config(0.1, 0.2), with), Metrics(Config(0.1, 0.2), MixedTokens()));
  const std::vector<double> gradient = Gradient(Config(0.1, 0.2), with);
  EXPECT_EQ(gradient[5], 0);
  EXPECT_EQ(gradient.back(), 0);
}

TEST(PolicyObjectiveTest, EqualCountsTokensWithTheBitsOfTheOldLogProbability) {
  const double x = -1.5, next = std::nextafter(-1.5F, 0.0F);
  const std::vector<Token> tokens = {{.log_prob = x, .old_log_prob = x, .weight = 1},
                                     {.log_prob = x, .old_log_prob = x, .weight = 0.5},
                                     {.log_prob = x, .old_log_prob = next, .weight = 1},
                                     {.log_prob = x, .old_log_prob = x, .weight = 0}};
  EXPECT_EQ(Metrics(Config(0.1, 0.2), tokens).at("equal"), 2);
}

TEST(PolicyObjectiveTest, WithoutBetaNoReferenceIsNeeded) {
  Example example = MakeExample(MixedTokens());
  example.batch.columns.erase(Column::kReferenceLogProb);
  const LossTerms terms = Terms(Config(0, 0.2), example);
  EXPECT_EQ(terms.components.at(0).sum.item<float>(), Sum(Config(0, 0.2), MixedTokens()));
  EXPECT_THROW(Terms(Config(0.1, 0.2), example), c10::Error);
}

TEST(PolicyObjectiveTest, AnEmptyBatchAddsNothingUnderTheSameMetricNames) {
  Example none = MakeExample({});
  none.batch = EmptyBatch();
  const LossTerms empty = Terms(Config(0.1, 0.2), none);
  EXPECT_EQ(empty.components.at(0).sum.item<float>(), 0);
  empty.components.at(0).sum.backward();
  EXPECT_TRUE(none.log_probs.log_prob_t.grad().defined());
  const LossTerms full = Terms(Config(0.1, 0.2), MakeExample(MixedTokens()));
  ASSERT_EQ(empty.metric_sums.size(), full.metric_sums.size());
  for (size_t i = 0; i < full.metric_sums.size(); ++i) {
    EXPECT_EQ(empty.metric_sums[i].first, full.metric_sums[i].first);
    EXPECT_EQ(empty.metric_sums[i].second.item<double>(), 0);
  }
}

TEST(PolicyObjectiveTest, ItsColumnsAreThoseItReads) {
  const LossRecord& grpo = FindLoss(GrpoConfig::grpo);
  EXPECT_THAT(PolicyObjective(Config(0, 0.2), grpo).columns(),
              ElementsAre(Column::kWeight, Column::kAdvantage, Column::kSamplerLogProb));
  EXPECT_THAT(PolicyObjective(Config(0.1, 0.2), grpo).columns(),
              testing::Contains(Column::kReferenceLogProb));
}

TEST(PolicyObjectiveTest, ARatioOfSequencesIsTheGeometricMeanOverTheirTrainedTokens) {
  std::vector<Token> tokens = MixedTokens();
  tokens.insert(tokens.begin(), 3, Token{.old_log_prob = 1e30, .weight = 0});  // of the prompt
  double mean = 0;
  for (const Token& token : MixedTokens())
    mean += (token.log_prob - token.old_log_prob) / static_cast<double>(MixedTokens().size());
  double expected = 0, magnitude = 0;
  for (Token token : MixedTokens()) {
    token.old_log_prob = token.log_prob - mean;
    expected += NaiveLoss(Config(0, 0.2), token);
    magnitude += std::abs(NaiveLoss(Config(0, 0.2), token));
  }
  LossRecord record = FindLoss(GrpoConfig::grpo);
  record.ratio_level = RatioLevel::kSequence;
  const LossTerms terms = Terms(Config(0, 0.2), MakeExample(tokens), record);
  EXPECT_NEAR(terms.components.at(0).sum.item<float>(), expected, 8 * std::ldexp(magnitude, -24));
}

// A step in fp64 whose ratio is that of sequences; the loss and the gradient's norm.
std::pair<double, double> SequenceStep(Communicator& world, const std::string& layout) {
  TinyTraining training(world, LayoutOf(layout), TinyTrainingModel(), at::kDouble);
  StepBatch batch{.counts = {{PolicyObjective::kPolicyCount, 2}}};
  for (const float advantage : {1.5F, -0.5F}) {
    PackItem item{.tokens = {1, 8, 9, 10, 11, 12, 13, 14, 15}, .prompt_length = 3};
    item.columns = {{Column::kWeight, {0.25F}},
                    {Column::kAdvantage, {advantage}},
                    {Column::kSamplerLogProb, {-4.1F, -4.2F, -3.9F, -4.4F, -4.3F, -4.1F}}};
    PackItem shorter = item;
    shorter.tokens.resize(5);
    shorter.columns[Column::kSamplerLogProb].resize(2);
    batch.micro_batches.push_back(MakePackedBatch({item, shorter}));
  }
  LossRecord record = FindLoss(GrpoConfig::grpo);
  record.ratio_level = RatioLevel::kSequence;
  const StepStats stats =
      TrainStep(*training.state, batch, PolicyObjective(Config(0, 10), record), {});
  return {stats.Loss(), stats.grad_norm};
}

TEST(PolicyObjectiveTest, ASequenceRatioHasTheGradientOfOneRankWhoeverHasTheTokens) {
  const auto self = MakeOneMemberCommunicator();
  const auto [loss, norm] = SequenceStep(*self, "");
  EXPECT_GT(norm, 0);
  for (const std::string split : {"context_parallel: 2", "tensor_parallel: 2"}) {
    RunRanks(2, [&, expected_loss = loss, expected_norm = norm](Communicator& world) {
      const auto [found_loss, found_norm] = SequenceStep(world, split + " exact: false");
      EXPECT_NEAR(found_loss, expected_loss, 1e-10) << split;
      EXPECT_NEAR(found_norm, expected_norm, 1e-10 * expected_norm) << split;
    });
  }
}

TEST(PolicyObjectiveTest, AMicroBatchOfPromptsOnlyAddsNothing) {
  const std::vector<Token> prompt(4, Token{.weight = 0});
  EXPECT_EQ(Sum(Config(0.1, 0.2), prompt), 0);
  EXPECT_THAT(Gradient(Config(0.1, 0.2), prompt), Each(0.0));
}

TEST(PolicyObjectiveTest, SumDoesNotDependOnTheSplitIntoMicroBatches) {
  const std::vector<std::vector<Token>> samples = RandomSamples();
  const GrpoConfig config = Config(0.04, 0.2);
  double magnitude = 0;
  std::vector<Token> all;
  for (const auto& sample : samples) {
    for (const Token& token : sample) magnitude += std::abs(NaiveLoss(config, token));
    all.insert(all.end(), sample.begin(), sample.end());
  }
  const double whole = Sum(config, all);
  const std::map<std::string, double> metrics = Metrics(config, all);
  for (const size_t stride : {1, 3, 7, 11}) {
    double sum = 0;
    std::map<std::string, double> metric_sums;
    for (size_t first = 0; first < stride; ++first) {
      std::vector<Token> part;  // every stride-th sample
      for (size_t s = first; s < samples.size(); s += stride) {
        part.insert(part.end(), samples[s].begin(), samples[s].end());
      }
      sum += Sum(config, part);
      for (const auto& [name, value] : Metrics(config, part)) metric_sums[name] += value;
    }
    EXPECT_NEAR(sum, whole, 1e-6 * magnitude) << stride << " micro-batches";
    for (const auto& [name, value] : metrics) {
      EXPECT_NEAR(metric_sums[name], value, 1e-12 * all.size()) << name;
    }
  }
}

TEST(MakePolicyWeightsTest, AMaskedSampleIsAsIfAbsent) {
  for (const auto loss_type : {GrpoConfig::grpo, GrpoConfig::dapo, GrpoConfig::dr_grpo}) {
    const PolicyWeights masked =
        MakePolicyWeights(FindLoss(loss_type), {2, 5, 1}, {true, false, true}, 100);
    const PolicyWeights without = MakePolicyWeights(FindLoss(loss_type), {2, 1}, {true, true}, 100);
    EXPECT_EQ(masked.token_weight[1], 0);
    EXPECT_EQ(masked.token_weight[0], without.token_weight[0]);
    EXPECT_EQ(masked.token_weight[2], without.token_weight[1]);
    EXPECT_EQ(masked.count, without.count);
  }
}

TEST(MakePolicyWeightsTest, NothingToTrainDividesByOne) {
  const PolicyWeights weights =
      MakePolicyWeights(FindLoss(GrpoConfig::grpo), {2, 5}, {false, false}, 100);
  EXPECT_THAT(weights.token_weight, Each(0.0));
  EXPECT_EQ(weights.count, 1);
}

TEST(MakePolicyWeightsTest, SharesOfAllCompletionsAreAdded) {
  const PolicyWeights weights =
      MakePolicyWeights(FindLoss(GrpoConfig::dapo), {2, 5, 1}, {true, true, true}, 100);
  EXPECT_THAT(weights.token_weight, Each(1.0));
  EXPECT_EQ(weights.count, 8);
}

TEST(MakePolicyWeightsTest, BadSizesThrow) {
  const LossRecord& grpo = FindLoss(GrpoConfig::grpo);
  EXPECT_THROW(MakePolicyWeights(grpo, {0}, {true}, 100), c10::Error);
  EXPECT_THROW(MakePolicyWeights(grpo, {2, 3}, {true}, 100), c10::Error);
}

}  // namespace
}  // namespace deduce
