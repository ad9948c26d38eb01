#include "data/text/tokenizer/tokenizer.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "c10/util/Exception.h"
#include "configs/status.h"
#include "configs/text_file.h"
#include "data/text/chat_template/chat_template_folder.h"
#include "data/text/strict_json.h"
#include "data/text/tokenizer/added_tokens.h"
#include "data/text/tokenizer/bpe.h"
#include "data/text/tokenizer/decoder.h"
#include "data/text/tokenizer/end_tokens.h"
#include "data/text/tokenizer/json_fields.h"
#include "data/text/tokenizer/normalizer.h"
#include "data/text/tokenizer/post_processor.h"
#include "data/text/tokenizer/pre_tokenizer.h"
#include "data/text/tokenizer/vocabulary.h"
#include "data/text/tokenizer/word_level.h"
#include "data/text/utf8.h"

namespace deduce {

struct Tokenizer::Parts {
  absl::Status Read(const nlohmann::json& root, const std::string& where);
  absl::Status ReadModel(const nlohmann::json& root, const std::string& where);
  absl::Status ReadSpecialTokens(const std::string& where);

  std::optional<int32_t> Find(std::string_view text) const;
  int32_t size() const { return vocabulary->size() + added.num_beyond(); }
  // Appends the ids of a part of a text between added tokens with "normalized": false.
  absl::Status EncodePart(std::string_view part, bool at_start, std::vector<int32_t>& ids) const;

  std::string json, config_json;
  std::shared_ptr<const Vocabulary> vocabulary;
  AddedTokens added;
  TextNormalizer normalizer;
  PreTokenizer pre_tokenizer;
  std::variant<std::monostate, BpeModel, WordLevelModel> model;
  PostProcessor post_processor;
  TokenDecoder decoder;
  SpecialTokens special;
  std::vector<int32_t> eos_token_ids;
  std::optional<int32_t> turn_end;  // the special token that the chat template ends a message with
  absl::StatusOr<ChatTemplate> chat_template;
};

absl::StatusOr<Tokenizer> Tokenizer::Load(const std::string& path) {
  std::error_code ignored;  // what cannot be looked at cannot be read either, which is told below
  std::filesystem::path file = path;
  if (std::filesystem::is_directory(file, ignored)) file /= "tokenizer.json";
  const std::filesystem::path config = file.parent_path() / "tokenizer_config.json";
  ASSIGN_OR_RETURN(const std::string text, ReadTextFile(file.string()));
  std::string config_text;
  if (std::filesystem::exists(config, ignored)) {
    ASSIGN_OR_RETURN(config_text, ReadTextFile(config.string()));
  }
  const std::string folder = file.parent_path().string();
  ASSIGN_OR_RETURN(const std::vector<int32_t> eos_token_ids, LoadEosTokenIds(folder));
  return FromJson(text, file.string(), config_text, LoadChatTemplate(folder), eos_token_ids);
}

absl::StatusOr<Tokenizer> Tokenizer::FromJson(std::string_view json, const std::string& where,
                                              std::string_view config_json,
                                              absl::StatusOr<ChatTemplate> chat_template,
                                              const std::vector<int32_t>& eos_token_ids) {
  auto parts = std::make_shared<Parts>();
  parts->json = json;
  parts->config_json = config_json;
  parts->chat_template = std::move(chat_template);
  ASSIGN_OR_RETURN(const nlohmann::json root, ParseJsonObject(json, where));
  RETURN_IF_ERROR(parts->Read(root, where));
  RETURN_IF_ERROR(parts->ReadSpecialTokens(where));
  parts->eos_token_ids = eos_token_ids;
  if (!parts->special.eos && !eos_token_ids.empty() && eos_token_ids[0] < parts->size())
    parts->special.eos = eos_token_ids[0];
  Tokenizer tokenizer(parts);
  if (parts->chat_template.ok()) {
    // A text that cannot be encoded ends with no token.
    const auto ids = tokenizer.Encode(TextBehindTurn(*parts->chat_template));
    if (ids.ok() && !ids->empty() && parts->added.IsSpecial(ids->front()))
      parts->turn_end = ids->front();
  }
  return tokenizer;
}

absl::Status Tokenizer::Parts::Read(const nlohmann::json& root, const std::string& where) {
  JsonFields fields(root, where, "");
  fields.ExpectUnsetOr("version", "1.0");
  // How the `tokenizers` package cuts and fills up batches, which transformers sets anew.
  fields.Find("truncation");
  fields.Find("padding");
  ASSIGN_OR_RETURN(normalizer, TextNormalizer::FromJson(fields.Find("normalizer"), where));
  ASSIGN_OR_RETURN(pre_tokenizer, PreTokenizer::FromJson(fields.Find("pre_tokenizer"), where));
  const nlohmann::json& model_json = fields.Object("model");
  const nlohmann::json& added_json = fields.Array("added_tokens");
  const nlohmann::json* post_processor_json = fields.Find("post_processor");
  const nlohmann::json* decoder_json = fields.Find("decoder");
  RETURN_IF_ERROR(fields.Done());
  RETURN_IF_ERROR(ReadModel(model_json, where));
  ASSIGN_OR_RETURN(added, AddedTokens::FromJson(added_json, where, *vocabulary, normalizer));
  ASSIGN_OR_RETURN(post_processor, PostProcessor::FromJson(post_processor_json, where, size()));
  ASSIGN_OR_RETURN(decoder, TokenDecoder::FromJson(decoder_json, where));
  return absl::OkStatus();
}

absl::Status Tokenizer::Parts::ReadModel(const nlohmann::json& root, const std::string& where) {
  const auto type = root.find("type");
  // Old files of GPT-2 name no type; only a BPE has merges.
  const bool is_bpe = type == root.end() ? root.contains("merges") : *type == "BPE";
  if (!is_bpe && (type == root.end() || *type != "WordLevel")) {
    return WrongField(where, "model.type", ShownJson(type == root.end() ? nullptr : &*type),
                      "\"BPE\" or \"WordLevel\"");
  }
  const auto vocab = root.find("vocab");
  if (vocab == root.end()) return WrongField(where, "model.vocab", "nothing", "tokens and ids");
  ASSIGN_OR_RETURN(Vocabulary tokens, Vocabulary::FromJson(*vocab, where));
  vocabulary = std::make_shared<const Vocabulary>(std::move(tokens));
  const bool bytes = pre_tokenizer.byte_level();
  if (is_bpe) {
    ASSIGN_OR_RETURN(model, BpeModel::FromJson(root, where, vocabulary, bytes));
  } else {
    ASSIGN_OR_RETURN(model, WordLevelModel::FromJson(root, where, vocabulary, bytes));
  }
  return absl::OkStatus();
}

absl::Status Tokenizer::Parts::ReadSpecialTokens(const std::string& where) {
  if (config_json.empty()) {
    const auto find_special = [this](std::string_view text) {
      const std::optional<int32_t> id = added.Find(text);
      return id && added.IsSpecial(*id) ? id : std::nullopt;
    };
    special = {find_special("<|begin|>"), find_special("<|end|>"), find_special("<|pad|>")};
    special.adds_bos = special.bos.has_value();
    return absl::OkStatus();
  }
  const std::string config =
      (std::filesystem::path(where).parent_path() / "tokenizer_config.json").string();
  ASSIGN_OR_RETURN(const SpecialTokenTexts texts, ReadSpecialTokenTexts(config_json, config));
  const struct {
    const char* field;
    const std::optional<std::string>* text;
    std::optional<int32_t>* id;
  } tokens[] = {{"bos_token", &texts.bos, &special.bos},
                {"eos_token", &texts.eos, &special.eos},
                {"pad_token", &texts.pad, &special.pad}};
  for (const auto& token : tokens) {
    if (!*token.text) continue;
    *token.id = Find(**token.text);
    if (*token.id) continue;
    return WrongField(config, token.field, ShownText(**token.text), "a token of tokenizer.json");
  }
  const std::vector<int32_t>& before = post_processor.before();
  special.adds_bos =
      special.bos && texts.adds_bos.value_or(!before.empty() && before[0] == *special.bos);
  return absl::OkStatus();
}

std::optional<int32_t> Tokenizer::Parts::Find(std::string_view text) const {
  const std::optional<int32_t> id = added.Find(text);
  return id ? id : vocabulary->Find(text);
}

absl::Status Tokenizer::Parts::EncodePart(std::string_view part, bool at_start,
                                          std::vector<int32_t>& ids) const {
  std::string normalized;
  if (!normalizer.empty()) {
    normalized = part;
    RETURN_IF_ERROR(normalizer.Apply(normalized));
    part = normalized;
  }
  for (const AddedTokens::Part& inner : added.CutNormalized(part)) {
    if (inner.id) {
      ids.push_back(*inner.id);
      continue;
    }
    TextPieces text;
    text.pieces = {inner.text};
    text.at_start = at_start && inner.text.data() == part.data();
    RETURN_IF_ERROR(pre_tokenizer.Apply(text));
    if (const auto* words = std::get_if<WordLevelModel>(&model)) {
      RETURN_IF_ERROR(words->Encode(text.pieces, ids));
    } else {
      std::get<BpeModel>(model).Encode(text.pieces, ids);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int32_t>> Tokenizer::Encode(std::string_view text,
                                                       bool add_special_tokens) const {
  if (const std::optional<size_t> bad = FindInvalidUtf8(text)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("byte %d of the text: found 0x%02x, expected UTF-8", *bad,
                        static_cast<unsigned char>(text[*bad])));
  }
  const PostProcessor& template_ids = parts_->post_processor;
  std::vector<int32_t> ids;
  if (add_special_tokens) ids = template_ids.before();
  for (const AddedTokens::Part& part : parts_->added.CutGiven(text)) {
    if (part.id) {
      ids.push_back(*part.id);
    } else {
      RETURN_IF_ERROR(parts_->EncodePart(part.text, part.text.data() == text.data(), ids));
    }
  }
  if (add_special_tokens) {
    ids.insert(ids.end(), template_ids.after().begin(), template_ids.after().end());
  }
  return ids;
}

std::string Tokenizer::Decode(std::span<const int32_t> ids, bool with_special) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const int32_t id : ids) {
    const std::string* normalized = parts_->added.NormalizedText(id);
    // The package looks for the normalised text among the special ones, and so keeps it.
    if (!with_special && normalized == nullptr && parts_->added.IsSpecial(id)) continue;
    tokens.push_back(normalized != nullptr ? *normalized : TokenText(id));
  }
  return parts_->decoder.Decode(std::move(tokens));
}

const std::string& Tokenizer::json() const { return parts_->json; }

const std::string& Tokenizer::config_json() const { return parts_->config_json; }

const absl::StatusOr<ChatTemplate>& Tokenizer::chat_template() const {
  return parts_->chat_template;
}

const std::string& Tokenizer::TokenText(int32_t id) const {
  static const std::string kNoText = "\xEF\xBF\xBD";  // U+FFFD
  TORCH_CHECK(id >= 0, "token id ", id, ", expected at least 0");
  const Vocabulary& vocabulary = *parts_->vocabulary;
  if (id < vocabulary.size()) return vocabulary.Text(id);
  return id < vocab_size() ? parts_->added.TextBeyond(id - vocabulary.size()) : kNoText;
}

std::optional<int32_t> Tokenizer::TokenId(std::string_view text) const {
  return parts_->Find(text);
}

int64_t Tokenizer::vocab_size() const { return parts_->size(); }

const SpecialTokens& Tokenizer::special_tokens() const { return parts_->special; }

int32_t Tokenizer::bos_id() const {
  TORCH_CHECK(parts_->special.bos, "the tokenizer has no token that begins a sequence");
  return *parts_->special.bos;
}

int32_t Tokenizer::eos_id() const {
  TORCH_CHECK(parts_->special.eos, "the tokenizer has no token that ends a sequence");
  return *parts_->special.eos;
}

const std::vector<int32_t>& Tokenizer::eos_token_ids() const { return parts_->eos_token_ids; }

absl::StatusOr<std::vector<int32_t>> Tokenizer::EndIds(std::string_view stop, bool chat) const {
  std::set<int32_t> ids;
  for (int32_t id = 0; !stop.empty() && id < vocab_size(); ++id) {
    if (Decode(std::span(&id, 1)).find(stop) != std::string::npos) ids.insert(id);
  }
  if (!stop.empty() && ids.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("found \"", absl::Utf8SafeCEscape(std::string(stop)),
                     "\", expected a text that some token of the tokenizer holds"));
  }
  ids.insert(eos_id());
  ids.insert(parts_->eos_token_ids.begin(), parts_->eos_token_ids.end());
  if (chat && parts_->turn_end) ids.insert(*parts_->turn_end);
  return std::vector<int32_t>(ids.begin(), ids.end());
}

int32_t Tokenizer::pad_id() const {
  TORCH_CHECK(parts_->special.pad, "the tokenizer has no token to pad with");
  return *parts_->special.pad;
}

}  // namespace deduce
