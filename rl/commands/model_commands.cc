#include "rl/commands/model_commands.h"

#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "configs/exit_code.h"
#include "configs/status.h"
#include "configs/text_file.h"
#include "data/records/chat_text.h"
#include "data/records/packing.h"
#include "data/text/strict_json.h"
#include "kernels/random.h"
#include "rl/commands/for_each_line.h"
#include "rl/rollout/engine.h"
#include "rl/run/find_model.h"
#include "trainer/hugging_face/model_folder.h"

namespace deduce {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr char kStandardInput[] = "standard input";
// More is a slip of the hand; the products of these are far from overflow.
constexpr int64_t kMostNewTokens = 1 << 24;
constexpr int64_t kMostSamples = 1 << 20;
constexpr double kLeastTemperature = 1e-6;  // logits over it are finite
constexpr double kMostTemperature = 1e6;

absl::Status BadData(const std::string& message) {
  return WithExitCode(absl::InvalidArgumentError(message), ExitCode::kBadData);
}

absl::Status BadFlag(const std::string& message) {
  return WithExitCode(absl::InvalidArgumentError(message), ExitCode::kBadConfig);
}

// The folder that --model means.
absl::StatusOr<std::string> ModelDir(const Arguments& arguments) {
  return FindModel(arguments.Text("model"), std::cerr);
}

// The model in `dir`, computed as --compute says, or as its run did. What was chosen is said when
// it was asked for.
absl::StatusOr<ModelFolder> LoadModel(const std::string& dir, const Arguments& arguments) {
  std::optional<ModelConfig::Compute> compute;
  if (arguments.Has("compute")) {
    const std::string name = arguments.Text("compute");
    ModelConfig::Compute value;
    if (!ModelConfig::Compute_Parse(name, &value)) {
      return BadFlag(absl::StrCat("--compute: found \"", name,
                                  "\", expected fp32, bf16 or bf16_where_native"));
    }
    compute = value;
  }
  ASSIGN_OR_RETURN(ModelFolder folder, LoadModelFolder(dir, compute));
  if (compute) std::cerr << folder.compute << std::endl;
  return folder;
}

// The array of ids in a JSON text (of `key`, unless it is empty), checked against the vocabulary.
absl::StatusOr<std::vector<int32_t>> ParseIds(const std::string& text, const std::string& key,
                                              int64_t vocabulary, const std::string& where) {
  const std::string expected = key.empty() ? "[...]" : absl::StrCat("{\"", key, "\": [...]}");
  const absl::StatusOr<nlohmann::json> parsed = ParseJson<nlohmann::json>(text, where, expected);
  if (!parsed.ok()) return BadData(std::string(parsed.status().message()));
  const bool has_key = !key.empty() && parsed->is_object() && parsed->contains(key);
  const nlohmann::json& list = has_key ? (*parsed)[key] : *parsed;
  if (!list.is_array()) {
    return BadData(absl::StrCat(where, ": found no array of token ids, expected ", expected));
  }
  std::vector<int32_t> ids;
  for (const nlohmann::json& id : list) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() >= vocabulary) {
      return BadData(absl::StrCat(where, ": found token ", id.dump(),
                                  ", expected a whole number in [0, ", vocabulary, ")"));
    }
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

// One prompt of `generate`: {"prompt": text or messages} or {"messages": [...]}. Messages, and with
// `chat` texts as the user's, are written by the chat template.
absl::StatusOr<TextPrompt> MakePrompt(const OrderedJson& line, bool chat,
                                      const Tokenizer& tokenizer, const std::string& where) {
  const auto field = line.contains("messages") ? line.find("messages") : line.find("prompt");
  if (field == line.end() || !(field->is_string() || field->is_array())) {
    return BadData(absl::StrCat(where, ": found no prompt, expected {\"prompt\": \"...\"} or ",
                                "{\"messages\": [...]}"));
  }
  if (field->is_string() && !chat) return TextPrompt{field->get<std::string>(), false};
  const OrderedJson messages =
      field->is_array() ? *field : OrderedJson::array({{{"role", "user"}, {"content", *field}}});
  const auto& chat_template = tokenizer.chat_template();
  if (!chat_template.ok()) {
    return BadData(absl::StrCat(where, ": ", chat_template.status().message()));
  }
  const auto tools = line.find("tools");
  const bool has_tools = tools != line.end() && !tools->is_null();
  absl::StatusOr<TextPrompt> prompt =
      ChatPrompt(messages, chat_template, has_tools ? &*tools : nullptr);
  if (!prompt.ok()) return BadData(absl::StrCat(where, ": ", prompt.status().message()));
  return prompt;
}

absl::StatusOr<std::vector<TextPrompt>> ReadPrompts(const Arguments& arguments,
                                                    const Tokenizer& tokenizer,
                                                    const std::ostream& out) {
  const bool chat = arguments.Has("chat");
  std::vector<TextPrompt> prompts;
  if (arguments.Has("prompt")) {
    ASSIGN_OR_RETURN(prompts.emplace_back(), MakePrompt({{"prompt", arguments.Text("prompt")}},
                                                        chat, tokenizer, "--prompt"));
    return prompts;
  }
  RETURN_IF_ERROR(ForEachLine(
      arguments.Text("prompts"), out,
      [&](const std::string& line, const std::string& where) -> absl::Status {
        const auto json = ParseJson<OrderedJson>(line, where, "{\"prompt\": ...}");
        if (!json.ok()) return BadData(std::string(json.status().message()));
        if (!json->is_object()) {
          return BadData(absl::StrCat(where, ": found no JSON object, expected {\"prompt\": ...}"));
        }
        ASSIGN_OR_RETURN(prompts.emplace_back(), MakePrompt(*json, chat, tokenizer, where));
        return absl::OkStatus();
      }));
  return prompts;
}

absl::Status CheckGenerateFlags(const Arguments& arguments) {
  if (arguments.Has("prompt") == arguments.Has("prompts")) {
    return BadFlag(
        "generate: found both or neither of --prompt and --prompts, expected one of them");
  }
  const auto out_of_range = [&](const std::string& flag, const std::string& expected) {
    return BadFlag(
        absl::StrCat("--", flag, ": found ", arguments.Text(flag), ", expected ", expected));
  };
  for (const auto& [flag, most] :
       {std::pair{"max_new_tokens", kMostNewTokens}, {"n", kMostSamples}}) {
    const int64_t value = arguments.Integer(flag, 1);
    if (value < 1) return out_of_range(flag, "at least 1");
    if (value > most) return out_of_range(flag, absl::StrCat("at most ", most));
  }
  const double temperature = arguments.Real("temperature", 1);
  if (temperature != 0 && !(temperature >= kLeastTemperature && temperature <= kMostTemperature))
    return out_of_range("temperature", "0, or a number in [1e-6, 1e6]");
  const double top_p = arguments.Real("top_p", 1);
  if (!(top_p > 0 && top_p <= 1)) return out_of_range("top_p", "a number in (0, 1]");
  return absl::OkStatus();
}

}  // namespace

absl::Status GenerateCommand(const Arguments& arguments, std::ostream& out) {
  RETURN_IF_ERROR(CheckGenerateFlags(arguments));
  ASSIGN_OR_RETURN(const std::string dir, ModelDir(arguments));
  ASSIGN_OR_RETURN(const ModelFolder folder, LoadModel(dir, arguments));
  ASSIGN_OR_RETURN(const Tokenizer tokenizer, LoadFolderTokenizer(dir, folder.config));
  const SpecialTokens& special = tokenizer.special_tokens();
  if (!special.eos) {
    return BadData(
        absl::StrCat(dir, ": found a tokenizer without a token that ends a text, expected one"));
  }
  ASSIGN_OR_RETURN(const std::vector<TextPrompt> prompts, ReadPrompts(arguments, tokenizer, out));
  const int64_t n = arguments.Integer("n", 1);
  std::vector<GenerationRequest> requests;
  int64_t longest = 0;
  for (size_t p = 0; p < prompts.size(); ++p) {
    absl::StatusOr<std::vector<int32_t>> ids = tokenizer.Encode(prompts[p].text);
    if (!ids.ok()) return BadData(absl::StrCat("prompt ", p, ": ", ids.status().message()));
    if (special.adds_bos && !prompts[p].whole) ids->insert(ids->begin(), *special.bos);
    if (ids->empty()) {
      return BadData(absl::StrCat("prompt ", p, ": found no tokens, expected one to begin with"));
    }
    longest = std::max(longest, static_cast<int64_t>(ids->size()));
    requests.push_back({*std::move(ids), n, p * static_cast<uint64_t>(n)});
  }
  const int64_t max_positions = folder.config.max_position_embeddings();
  const int64_t fitting = std::clamp<int64_t>(max_positions - longest, 1, 128);
  const int64_t max_new = arguments.Integer("max_new_tokens", fitting);
  if (longest + max_new > max_positions) {
    const absl::Status status = absl::InvalidArgumentError(
        absl::StrCat("--max_new_tokens: found ", max_new, " behind a prompt of ", longest,
                     " tokens, expected at most ", max_positions, " together"));
    return WithExitCode(status,
                        longest < max_positions ? ExitCode::kBadConfig : ExitCode::kBadData);
  }
  const bool chat = std::any_of(prompts.begin(), prompts.end(),
                                [](const TextPrompt& prompt) { return prompt.whole; });
  ASSIGN_OR_RETURN(const std::vector<int32_t> own_ends, tokenizer.EndIds("", chat));
  absl::StatusOr<std::vector<int32_t>> end_ids = tokenizer.EndIds(arguments.Text("stop", ""), chat);
  if (!end_ids.ok()) return BadFlag(absl::StrCat("--stop: ", end_ids.status().message()));
  const GenerationOptions options{
      .max_new_tokens = max_new,
      .temperature = arguments.Real("temperature", 1),
      .top_p = arguments.Real("top_p", 1),
      .end_ids = *std::move(end_ids),
      .stream = RandomStream(static_cast<uint64_t>(arguments.Integer("seed", 0)), "generate")};
  for (const Completion& completion : Generate(*folder.model, requests, options)) {
    std::vector<int32_t> tokens = completion.tokens;
    if (std::binary_search(own_ends.begin(), own_ends.end(), tokens.back())) tokens.pop_back();
    nlohmann::ordered_json line;
    line["prompt"] = prompts[completion.sample / n].text;
    line["completion"] = tokenizer.Decode(tokens);
    line["tokens"] = completion.tokens;
    line["logprobs"] = completion.log_probs;
    line["finished"] = !completion.truncated;
    out << line.dump() << '\n';
  }
  return absl::OkStatus();
}

absl::Status LogProbsCommand(const Arguments& arguments, std::ostream& out) {
  ASSIGN_OR_RETURN(const std::string dir, ModelDir(arguments));
  ASSIGN_OR_RETURN(const ModelFolder folder, LoadModel(dir, arguments));
  const ModelConfig& model = folder.config;
  c10::NoGradGuard no_grad;
  return ForEachLine(
      arguments.Text("input"), out,
      [&](const std::string& line, const std::string& where) -> absl::Status {
        ASSIGN_OR_RETURN(std::vector<int32_t> ids,
                         ParseIds(line, "tokens", model.vocab_size(), where));
        if (ids.size() < 2 || static_cast<int64_t>(ids.size()) > model.max_position_embeddings()) {
          return BadData(absl::StrCat(where, ": found ", ids.size(), " tokens, expected 2 to ",
                                      model.max_position_embeddings()));
        }
        const PackedBatch batch =
            MakePackedBatch({PackItem{.tokens = ids, .columns = {{Column::kWeight, {1.0F}}}}});
        const at::Tensor hidden_xd =
            folder.transformer().Forward(batch, /*with_mtp=*/false).hidden_xd;
        const at::Tensor log_prob_x =
            folder.transformer().LogProbs(hidden_xd, batch.targets_x).log_prob_t;
        const float* values = log_prob_x.const_data_ptr<float>();
        for (size_t i = 0; i + 1 < ids.size(); ++i) {
          if (std::isfinite(values[i])) continue;
          return BadData(absl::StrCat(dir, ": found log-probability ", values[i], " for ", where,
                                      ", expected weights with which all numbers are finite"));
        }
        out << "{\"logprobs\": [";
        for (size_t i = 0; i + 1 < ids.size(); ++i)
          out << (i ? ", " : "") << absl::StrFormat("%.9g", values[i]);
        out << "]}\n";
        return absl::OkStatus();
      });
}

absl::Status TokenizeCommand(const Arguments& arguments, std::istream& in, std::ostream& out) {
  ASSIGN_OR_RETURN(const std::string dir, ModelDir(arguments));
  ASSIGN_OR_RETURN(const Tokenizer tokenizer, LoadFolderTokenizer(dir));
  const auto tokenize = [&](const std::string& line, const std::string& where) -> absl::Status {
    std::string text = line;
    if (arguments.Has("json")) {
      const auto json = ParseJson<nlohmann::json>(line, where, "a JSON string");
      if (!json.ok()) return BadData(std::string(json.status().message()));
      if (!json->is_string())
        return BadData(absl::StrCat(where, ": found no JSON string, expected one"));
      text = json->get<std::string>();
    }
    const absl::StatusOr<std::vector<int32_t>> ids =
        tokenizer.Encode(text, arguments.Has("add_special_tokens"));
    if (!ids.ok()) return BadData(absl::StrCat(where, ": ", ids.status().message()));
    out << nlohmann::json(*ids).dump() << '\n';
    return absl::OkStatus();
  };
  return ForEachLine(LineReader(in, kStandardInput), out, tokenize);
}

absl::Status DetokenizeCommand(const Arguments& arguments, std::istream& in, std::ostream& out) {
  ASSIGN_OR_RETURN(const std::string dir, ModelDir(arguments));
  ASSIGN_OR_RETURN(const Tokenizer tokenizer, LoadFolderTokenizer(dir));
  const bool with_special = !arguments.Has("skip_special_tokens");
  const auto detokenize = [&](const std::string& line, const std::string& where) -> absl::Status {
    ASSIGN_OR_RETURN(const std::vector<int32_t> ids,
                     ParseIds(line, "", tokenizer.vocab_size(), where));
    out << nlohmann::json(tokenizer.Decode(ids, with_special)).dump() << '\n';
    return absl::OkStatus();
  };
  return ForEachLine(LineReader(in, kStandardInput), out, detokenize);
}

}  // namespace deduce
