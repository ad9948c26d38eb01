#include "rl/algorithm/rollout_and_grade.h"

#include <algorithm>
#include <map>
#include <span>
#include <string>
#include <utility>

#include "trainer/metrics/clock.h"

namespace deduce {
namespace {

// Whether a token is a tag that the tokenizer calls special, so that decoding would drop it.
bool IsSpecialTag(const Tokenizer& tokenizer, int32_t token) {
  const std::string& text = tokenizer.TokenText(token);
  return (text == "<think>" || text == "</think>" || text == "<answer>" || text == "</answer>") &&
         tokenizer.Decode(std::span(&token, 1), /*with_special=*/false).empty();
}

void SetProblem(const RolloutGroup& group, Sample& sample) {
  const Problem& problem = group.prompt.problem;
  sample.set_prompt_id(group.prompt_id);
  sample.set_prompt(problem.prompt);
  sample.set_answer(problem.answer);
  sample.set_language(problem.language);
  sample.set_verifier(problem.verifier);
  sample.mutable_prompt_tokens()->Assign(group.prompt.tokens.begin(), group.prompt.tokens.end());
}

void SetCompletion(const Completion& completion, Sample& sample) {
  sample.set_sample(completion.sample);
  sample.mutable_completion_tokens()->Assign(completion.tokens.begin(), completion.tokens.end());
  sample.mutable_sampler_log_probs()->Assign(completion.log_probs.begin(),
                                             completion.log_probs.end());
  sample.set_status(completion.truncated ? Sample::truncated : Sample::finished);
}

Sample::Verdict ToVerdict(Verdict verdict) {
  switch (verdict) {
    case Verdict::kRight:
      return Sample::right;
    case Verdict::kWrong:
      return Sample::wrong;
    case Verdict::kUnscorable:
      break;
  }
  return Sample::unscorable;
}

void SetGrade(const Scored& scored, Sample& sample) {
  sample.mutable_rewards()->insert(scored.by_verifier.begin(), scored.by_verifier.end());
  if (!scored.unscorable) sample.set_reward(scored.total);
  if (!scored.reason.empty()) sample.set_reason(scored.reason);
  sample.set_verdict(scored.unscorable ? Sample::unscorable : ToVerdict(scored.accuracy));
}

// The tables of all ranks as one.
SampleTable Gathered(const SampleTable& own, Communicator& group) {
  SampleTable all;
  std::vector<Sample> samples;
  for (const std::string& bytes : group.AllGatherBytes(own.SerializeAsString())) {
    SampleTable theirs;
    TORCH_CHECK(theirs.ParseFromString(bytes), "RolloutAndGrade: found ", bytes.size(),
                " bytes that are no SampleTable");
    for (Sample& sample : *theirs.mutable_sample()) samples.push_back(std::move(sample));
    all.set_rollout_seconds(std::max(all.rollout_seconds(), theirs.rollout_seconds()));
    all.set_reward_seconds(std::max(all.reward_seconds(), theirs.reward_seconds()));
  }
  std::sort(samples.begin(), samples.end(),
            [](const Sample& a, const Sample& b) { return a.sample() < b.sample(); });
  for (Sample& sample : samples) *all.add_sample() = std::move(sample);
  return all;
}

}  // namespace

std::string MessageText(const Tokenizer& tokenizer, const Completion& completion) {
  std::span<const int32_t> tokens = completion.tokens;
  const auto eos = tokenizer.special_tokens().eos;
  if (!completion.truncated && !tokens.empty() && eos && tokens.back() == *eos) {
    tokens = tokens.first(tokens.size() - 1);
  }
  std::string text;
  size_t begin = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (!IsSpecialTag(tokenizer, tokens[i])) continue;
    text += tokenizer.Decode(tokens.subspan(begin, i - begin), /*with_special=*/false);
    text += tokenizer.TokenText(tokens[i]);
    begin = i + 1;
  }
  return text + tokenizer.Decode(tokens.subspan(begin), /*with_special=*/false);
}

SampleTable RolloutAndGrade(RankModel& model, RankGroups& ranks, const Tokenizer& tokenizer,
                            const std::vector<RolloutGroup>& groups,
                            const GenerationOptions& options, const RewardSet& rewards) {
  const Layout layout = ranks.layout.WithWholeContexts();
  std::vector<GenerationRequest> requests;
  std::map<uint64_t, size_t> group_of;  // the last sample of each of this rank's groups
  uint64_t next_sample = 0;
  for (size_t g = 0; g < groups.size(); ++g) {
    const uint64_t first_sample = next_sample;
    next_sample += static_cast<uint64_t>(groups[g].num_generations);
    if (static_cast<int>(g % layout.num_replicas()) != layout.replica()) continue;
    requests.push_back({groups[g].prompt.tokens, groups[g].num_generations, first_sample});
    group_of[next_sample - 1] = g;
  }
  SampleTable own;
  const double start = SecondsNow();
  const std::vector<Completion> completions = Generate(model, requests, options);
  own.set_rollout_seconds(SecondsNow() - start);
  for (const Completion& completion : completions) {
    const size_t g = group_of.lower_bound(completion.sample)->second;
    Sample& sample = *own.add_sample();
    sample.set_step(static_cast<int64_t>(options.step) + 1);
    sample.set_group(g);
    SetProblem(groups[g], sample);
    SetCompletion(completion, sample);
    sample.set_completion(MessageText(tokenizer, completion));
    SetGrade(rewards.Score(groups[g].prompt.problem, sample.completion()), sample);
  }
  own.set_reward_seconds(SecondsNow() - start - own.rollout_seconds());
  return Gathered(own, *ranks.pieces);
}

}  // namespace deduce
