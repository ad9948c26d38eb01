#include "rl/algorithm/explain_rewards.h"

#include <cstdint>
#include <map>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "rl/reward/verifier.h"

namespace deduce {
namespace {

bool AnyGroupDiffers(const SampleTable& table) {
  std::map<uint64_t, double> rewards;
  for (const Sample& sample : table.sample()) {
    if (!sample.has_reward()) continue;
    const auto [first, is_new] = rewards.emplace(sample.group(), sample.reward());
    if (first->second != sample.reward()) return true;
  }
  return false;
}

struct VerdictCounts {
  int64_t right = 0, wrong = 0, unscorable = 0;
  int64_t no_answer = 0, not_understood = 0;  // among the wrong ones
  int64_t truncated = 0, no_tags = 0;         // among all samples
};

VerdictCounts CountVerdicts(const SampleTable& table) {
  VerdictCounts counts;
  for (const Sample& sample : table.sample()) {
    const bool wrong = sample.verdict() == Sample::wrong;
    counts.right += sample.verdict() == Sample::right ? 1 : 0;
    counts.wrong += wrong ? 1 : 0;
    counts.unscorable += sample.verdict() == Sample::unscorable ? 1 : 0;
    counts.no_answer += wrong && sample.reason() == kNoAnswer ? 1 : 0;
    counts.not_understood += wrong && sample.reason() == kNotUnderstood ? 1 : 0;
    counts.truncated += sample.status() == Sample::truncated ? 1 : 0;
    const auto format = sample.rewards().find("format");
    counts.no_tags += format != sample.rewards().end() && format->second == 0 ? 1 : 0;
  }
  return counts;
}

// The last bytes of a text, escaped.
std::string End(const std::string& text, size_t most) {
  size_t begin = text.size() > most ? text.size() - most : 0;
  while (begin > 0 && begin < text.size() && (text[begin] & 0xC0) == 0x80) ++begin;
  // CHexEscape would escape letters of other scripts; C1 controls are what terminals act on.
  std::string shown = absl::Utf8SafeCHexEscape(text.substr(begin));
  for (size_t at = shown.find("\xC2"); at != shown.npos; at = shown.find("\xC2", at + 1)) {
    const auto next = static_cast<unsigned char>(at + 1 < shown.size() ? shown[at + 1] : 0);
    if (next >= 0x80 && next < 0xA0) shown.replace(at, 2, absl::StrCat("\\x", absl::Hex(next)));
  }
  return absl::StrCat(begin > 0 ? "\"..." : "\"", shown, "\"");
}

}  // namespace

std::string ExplainRewards(const SampleTable& table) {
  const VerdictCounts counts = CountVerdicts(table);
  const bool differs = AnyGroupDiffers(table);
  if (table.sample().empty() || (differs && counts.right > 0)) return "";
  std::string text = !differs ? "no group has rewards that differ, so nothing is learned"
                              : "no completion is right";
  absl::StrAppend(&text, ": of ", table.sample_size(), " completions ", counts.right, " right, ",
                  counts.wrong, " wrong");
  if (counts.no_answer + counts.not_understood > 0) {
    absl::StrAppend(&text, " (", counts.no_answer, " without an answer, ", counts.not_understood,
                    " not understood)");
  }
  absl::StrAppend(&text, ", ", counts.unscorable, " unscorable; ", counts.truncated,
                  " cut at max_completion_length");
  if (counts.no_tags > 0)
    absl::StrAppend(&text, ", ", counts.no_tags, " without the format's tags");
  return text;
}

std::string ExampleOfReward(const SampleTable& table) {
  for (const Sample& sample : table.sample()) {
    if (sample.verdict() == Sample::right) continue;
    return absl::StrCat("for example ", End(sample.prompt(), 80), " -> ",
                        End(sample.completion(), 120), ", expected ", End(sample.answer(), 40),
                        sample.reason().empty() ? "" : ": ", sample.reason(),
                        sample.status() == Sample::truncated ? ", cut" : "");
  }
  return "";
}

}  // namespace deduce
