#include "rl/algorithm/rollout_table.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace deduce {
namespace {

const char* VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kRight:
      return "right";
    case Verdict::kWrong:
      return "wrong";
    case Verdict::kUnscorable:
      return "unscorable";
  }
  return "unscorable";
}

nlohmann::ordered_json Line(int64_t step, const Prompt& prompt, const Sample& sample, int64_t group,
                            double advantage, const Tokenizer& tokenizer) {
  nlohmann::ordered_json line;
  line["step"] = step;
  line["sample"] = sample.index;
  line["group"] = group;
  line["prompt"] = prompt.problem.prompt;
  line["answer"] = prompt.problem.answer;
  line["language"] = prompt.problem.language;
  line["completion"] = sample.text;
  for (const int32_t token : sample.completion.tokens)
    line["tokens"].push_back(tokenizer.TokenText(token));
  line["logprobs"] = sample.completion.log_probs;
  line["rewards"] = sample.scored.by_verifier;
  line["reward"] = sample.scored.total;
  line["advantage"] = advantage;
  line["verdict"] = sample.scored.unscorable ? "unscorable" : VerdictName(sample.scored.accuracy);
  line["truncated"] = sample.completion.truncated;
  return line;
}

}  // namespace

absl::Status WriteRolloutTable(const std::string& path, int64_t step, const GrpoResult& result,
                               int64_t num_generations, const Tokenizer& tokenizer) {
  std::error_code ignored;  // the open below reports what is wrong
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  for (size_t i = 0; i < result.samples.size(); ++i) {
    const int64_t group = static_cast<int64_t>(i) / num_generations;
    file << Line(step, result.prompts[group], result.samples[i], group, result.advantages[i],
                 tokenizer)
                .dump()
         << '\n';
  }
  file.close();
  if (!file) {
    return absl::UnavailableError(absl::StrCat(path, ": found ", std::strerror(errno),
                                               " while writing, expected room and permission"));
  }
  return absl::OkStatus();
}

}  // namespace deduce
