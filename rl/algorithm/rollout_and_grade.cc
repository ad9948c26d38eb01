#include "rl/algorithm/rollout_and_grade.h"

#include <algorithm>
#include <utility>

#include "rl/rollout/sample.pb.h"
#include "trainer/metrics/clock.h"

namespace deduce {
namespace {

// The completion as text; the end token is not part of what verifiers read.
std::string Text(const Tokenizer& tokenizer, const Completion& completion) {
  std::vector<int32_t> tokens = completion.tokens;
  if (!completion.truncated && !tokens.empty()) tokens.pop_back();
  return tokenizer.Decode(tokens);
}

SampleRecord ToRecord(const Completion& completion, const Scored& scored) {
  SampleRecord record;
  record.set_index(completion.sample);
  record.mutable_tokens()->Assign(completion.tokens.begin(), completion.tokens.end());
  record.mutable_log_probs()->Assign(completion.log_probs.begin(), completion.log_probs.end());
  record.set_truncated(completion.truncated);
  record.set_reward(scored.total);
  record.mutable_by_verifier()->insert(scored.by_verifier.begin(), scored.by_verifier.end());
  record.set_unscorable(scored.unscorable);
  record.set_accuracy(static_cast<int>(scored.accuracy));
  return record;
}

Sample FromRecord(const SampleRecord& record, const Tokenizer& tokenizer) {
  Sample sample;
  sample.index = record.index();
  sample.completion = {record.index(),
                       {record.tokens().begin(), record.tokens().end()},
                       {record.log_probs().begin(), record.log_probs().end()},
                       record.truncated()};
  sample.text = Text(tokenizer, sample.completion);
  sample.scored.total = record.reward();
  sample.scored.by_verifier.insert(record.by_verifier().begin(), record.by_verifier().end());
  sample.scored.unscorable = record.unscorable();
  sample.scored.accuracy = static_cast<Verdict>(record.accuracy());
  return sample;
}

}  // namespace

SampleSet RolloutAndGrade(RankModel& model, RankGroups& ranks, const Tokenizer& tokenizer,
                          const std::vector<Prompt>& prompts, int64_t num_generations,
                          const GenerationOptions& options, const RewardSet& rewards) {
  std::vector<GenerationRequest> requests;
  const Layout layout = ranks.layout.WithWholeContexts();
  for (size_t p = layout.replica(); p < prompts.size(); p += layout.num_replicas()) {
    requests.push_back({prompts[p].tokens, num_generations, p * num_generations});
  }
  SampleRecords own;
  const double start = SecondsNow();
  const std::vector<Completion> completions = Generate(model, requests, options);
  own.set_rollout_seconds(SecondsNow() - start);
  for (const Completion& completion : completions) {
    const Problem& problem = prompts[completion.sample / num_generations].problem;
    *own.add_sample() = ToRecord(completion, rewards.Score(problem, Text(tokenizer, completion)));
  }
  own.set_reward_seconds(SecondsNow() - start - own.rollout_seconds());

  SampleSet set;
  for (const std::string& bytes : ranks.pieces->AllGatherBytes(own.SerializeAsString())) {
    SampleRecords theirs;
    TORCH_CHECK(theirs.ParseFromString(bytes), "RolloutAndGrade: found ", bytes.size(),
                " bytes that are no SampleRecords");
    for (const SampleRecord& record : theirs.sample())
      set.samples.push_back(FromRecord(record, tokenizer));
    set.rollout_seconds = std::max(set.rollout_seconds, theirs.rollout_seconds());
    set.reward_seconds = std::max(set.reward_seconds, theirs.reward_seconds());
  }
  std::sort(set.samples.begin(), set.samples.end(),
            [](const Sample& a, const Sample& b) { return a.index < b.index; });
  return set;
}

}  // namespace deduce
