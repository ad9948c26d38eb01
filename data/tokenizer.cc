#include "data/tokenizer.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "c10/util/Exception.h"
#include "configs/status.h"
#include "data/text_file.h"
#include "data/utf8.h"
#include "nlohmann/json.hpp"

namespace deduce {
namespace {

using Json = nlohmann::json;

// A value as it goes into a message: one line, ASCII, not too long.
std::string Shown(const Json* value) {
  if (value == nullptr) return "nothing";
  std::string text = value->dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

}  // namespace

// Fills a Tokenizer from the JSON of a file.
class TokenizerReader {
 public:
  explicit TokenizerReader(std::string where) : where_(std::move(where)) {}

  absl::StatusOr<Tokenizer> Read(const Json& root);

 private:
  absl::Status Wrong(const std::string& field, const std::string& found,
                     const std::string& expected) {
    return absl::InvalidArgumentError(
        absl::StrCat(where_, ": ", field, ": found ", found, ", expected ", expected));
  }
  // The member `key` of an object; nullptr if it is absent.
  static const Json* Find(const Json& object, const char* key) {
    const auto it = object.find(key);
    return it == object.end() ? nullptr : &*it;
  }
  // Error unless object.key equals `expected`; `path` is what the object is called.
  absl::Status Expect(const Json& object, const std::string& path, const char* key,
                      const Json& expected);

  absl::Status CheckPipeline(const Json& root);
  absl::Status ReadModel(const Json& model);
  absl::Status ReadAddedToken(const Json& token, const std::string& path);
  absl::StatusOr<int32_t> ReadId(const Json* value, const std::string& path);
  absl::Status IndexIds();
  absl::StatusOr<int32_t> SpecialId(const std::string& text);

  std::string where_;
  Tokenizer result_;
  std::vector<int32_t> special_ids_;
};

absl::Status TokenizerReader::Expect(const Json& object, const std::string& path, const char* key,
                                     const Json& expected) {
  const Json* value = object.is_object() ? Find(object, key) : nullptr;
  if (value != nullptr ? *value == expected : expected.is_null()) return absl::OkStatus();
  return Wrong(path.empty() ? key : absl::StrCat(path, ".", key), Shown(value), Shown(&expected));
}

absl::Status TokenizerReader::CheckPipeline(const Json& root) {
  static constexpr const char* kAbsent[] = {"truncation", "padding", "normalizer",
                                            "post_processor"};
  static constexpr const char* kKnown[] = {"version", "added_tokens", "pre_tokenizer", "decoder",
                                           "model"};
  for (const char* key : kAbsent) RETURN_IF_ERROR(Expect(root, "", key, nullptr));
  for (const auto& [key, value] : root.items()) {
    const auto same = [&key = key](const char* name) { return key == name; };
    if (!std::any_of(std::begin(kAbsent), std::end(kAbsent), same) &&
        !std::any_of(std::begin(kKnown), std::end(kKnown), same)) {
      const Json shown = key;
      return Wrong(Shown(&shown), Shown(&value), "no such field");
    }
  }
  RETURN_IF_ERROR(Expect(root, "", "version", "1.0"));
  const Json* split = Find(root, "pre_tokenizer");
  if (split == nullptr || !split->is_object()) {
    return Wrong("pre_tokenizer", Shown(split), "a \"Split\" of every character");
  }
  RETURN_IF_ERROR(Expect(*split, "pre_tokenizer", "type", "Split"));
  RETURN_IF_ERROR(Expect(*split, "pre_tokenizer", "behavior", "Isolated"));
  RETURN_IF_ERROR(Expect(*split, "pre_tokenizer", "invert", false));
  const Json* pattern = Find(*split, "pattern");
  result_.joins_newlines_ = pattern != nullptr && *pattern == Json{{"Regex", "."}};
  if (!result_.joins_newlines_) {
    RETURN_IF_ERROR(Expect(*split, "pre_tokenizer", "pattern", Json{{"Regex", "[\\s\\S]"}}));
  }
  return Expect(root, "", "decoder", Json{{"type", "Fuse"}});
}

absl::StatusOr<int32_t> TokenizerReader::ReadId(const Json* value, const std::string& path) {
  const bool whole = value != nullptr && value->is_number_integer();
  // Unsigned JSON numbers above the range of int64 come out negative here, and are refused as well.
  const int64_t id = whole ? value->get<int64_t>() : -1;
  if (id < 0 || id > INT32_MAX) return Wrong(path, Shown(value), "an id from 0");
  return static_cast<int32_t>(id);
}

absl::Status TokenizerReader::ReadModel(const Json& model) {
  RETURN_IF_ERROR(Expect(model, "model", "type", "WordLevel"));
  const Json* vocab = Find(model, "vocab");
  if (vocab == nullptr || !vocab->is_object() || vocab->empty()) {
    return Wrong("model.vocab", Shown(vocab), "an object of tokens and ids");
  }
  for (const auto& [text, value] : vocab->items()) {
    const Json shown = text;
    ASSIGN_OR_RETURN(result_.ids_[text],
                     ReadId(&value, absl::StrCat("model.vocab[", Shown(&shown), "]")));
  }
  const Json* unk = Find(model, "unk_token");
  if (unk == nullptr || unk->is_null()) return absl::OkStatus();
  if (!unk->is_string()) return Wrong("model.unk_token", Shown(unk), "a string");
  result_.unk_id_ = result_.TokenId(unk->get<std::string>());
  if (!result_.unk_id_) return Wrong("model.unk_token", Shown(unk), "a token of model.vocab");
  return absl::OkStatus();
}

absl::Status TokenizerReader::ReadAddedToken(const Json& token, const std::string& path) {
  for (const char* key : {"single_word", "lstrip", "rstrip", "normalized"}) {
    RETURN_IF_ERROR(Expect(token, path, key, false));
  }
  const Json* content = Find(token, "content");
  if (content == nullptr || !content->is_string() || content->get<std::string>().empty()) {
    return Wrong(path + ".content", Shown(content), "a text");
  }
  const Json* special = Find(token, "special");
  if (special == nullptr || !special->is_boolean()) {
    return Wrong(path + ".special", Shown(special), "true or false");
  }
  const std::string text = content->get<std::string>();
  ASSIGN_OR_RETURN(const int32_t id, ReadId(Find(token, "id"), path + ".id"));
  const auto [entry, is_new] = result_.ids_.emplace(text, id);
  if (entry->second != id) {
    return Wrong(path + ".id", absl::StrCat(id),
                 absl::StrCat(entry->second, " as in model.vocab or before"));
  }
  for (const auto& [other, other_id] : result_.added_) {
    if (other == text) return Wrong(path + ".content", Shown(content), "every token once");
  }
  result_.added_.emplace_back(text, id);
  if (special->get<bool>()) special_ids_.push_back(id);
  return absl::OkStatus();
}

absl::Status TokenizerReader::IndexIds() {
  const size_t count = result_.ids_.size();
  result_.texts_.resize(count);
  std::vector<bool> taken(count);
  for (const auto& [text, id] : result_.ids_) {
    const Json shown = text;
    if (static_cast<size_t>(id) >= count) {
      return Wrong("model.vocab", absl::StrCat("id ", id, " of ", Shown(&shown)),
                   absl::StrCat("ids 0 to ", count - 1, " without a hole"));
    }
    if (taken[id]) {
      const Json other = result_.texts_[id];
      return Wrong("model.vocab",
                   absl::StrCat("id ", id, " of both ", Shown(&other), " and ", Shown(&shown)),
                   "every id once");
    }
    taken[id] = true;
    result_.texts_[id] = text;
  }
  result_.special_.resize(count);
  for (const int32_t id : special_ids_) result_.special_[id] = true;
  return absl::OkStatus();
}

absl::StatusOr<int32_t> TokenizerReader::SpecialId(const std::string& text) {
  for (const auto& [content, id] : result_.added_) {
    if (content == text && result_.special_[id]) return id;
  }
  return Wrong("added_tokens", absl::StrCat("no special token \"", text, "\""), "one");
}

absl::StatusOr<Tokenizer> TokenizerReader::Read(const Json& root) {
  RETURN_IF_ERROR(CheckPipeline(root));
  const Json* model = Find(root, "model");
  if (model == nullptr || !model->is_object()) return Wrong("model", Shown(model), "an object");
  RETURN_IF_ERROR(ReadModel(*model));
  const Json* added = Find(root, "added_tokens");
  if (added == nullptr || !added->is_array()) {
    return Wrong("added_tokens", Shown(added), "an array");
  }
  for (size_t i = 0; i < added->size(); ++i) {
    RETURN_IF_ERROR(ReadAddedToken((*added)[i], absl::StrCat("added_tokens[", i, "]")));
  }
  RETURN_IF_ERROR(IndexIds());
  ASSIGN_OR_RETURN(result_.bos_id_, SpecialId("<|begin|>"));
  ASSIGN_OR_RETURN(result_.eos_id_, SpecialId("<|end|>"));
  ASSIGN_OR_RETURN(result_.pad_id_, SpecialId("<|pad|>"));
  std::sort(result_.added_.begin(), result_.added_.end(), [](const auto& a, const auto& b) {
    return std::pair(b.first.size(), a.first) < std::pair(a.first.size(), b.first);
  });
  return std::move(result_);
}

absl::StatusOr<Tokenizer> Tokenizer::Load(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  return FromJson(text, path);
}

absl::StatusOr<Tokenizer> Tokenizer::FromJson(std::string_view text, const std::string& where) {
  const Json root = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!root.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(
        where, ": found ", root.is_discarded() ? "text that is not JSON" : "another JSON value",
        ", expected a JSON object"));
  }
  ASSIGN_OR_RETURN(Tokenizer tokenizer, TokenizerReader(where).Read(root));
  tokenizer.json_ = text;
  return tokenizer;
}

absl::StatusOr<std::vector<int32_t>> Tokenizer::Encode(std::string_view text) const {
  if (const std::optional<size_t> bad = FindInvalidUtf8(text)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("byte %d of the text: found 0x%02x, expected UTF-8", *bad,
                        static_cast<unsigned char>(text[*bad])));
  }
  std::vector<int32_t> ids;
  size_t begin = 0;  // of the text between added tokens
  for (size_t i = 0; i < text.size();) {
    const auto found = std::find_if(added_.begin(), added_.end(), [&](const auto& token) {
      return text.substr(i, token.first.size()) == token.first;
    });
    if (found == added_.end()) {
      ++i;
      continue;
    }
    RETURN_IF_ERROR(EncodePieces(text.substr(begin, i - begin), begin, ids));
    ids.push_back(found->second);
    begin = i += found->first.size();
  }
  RETURN_IF_ERROR(EncodePieces(text.substr(begin), begin, ids));
  return ids;
}

absl::Status Tokenizer::EncodePieces(std::string_view text, size_t offset,
                                     std::vector<int32_t>& ids) const {
  for (size_t i = 0; i < text.size();) {
    size_t length = CharacterLength(text, i);
    if (joins_newlines_ && text[i] == '\n') {
      length = std::min(text.find_first_not_of('\n', i), text.size()) - i;
    }
    const std::string_view piece = text.substr(i, length);
    const std::optional<int32_t> id = TokenId(piece);
    if (!id && !unk_id_) {
      const Json shown = std::string(piece);
      return absl::InvalidArgumentError(
          absl::StrCat("byte ", offset + i, " of the text: found ", Shown(&shown),
                       ", expected a token of the vocabulary (it has no unknown token)"));
    }
    ids.push_back(id ? *id : *unk_id_);
    i += length;
  }
  return absl::OkStatus();
}

std::string Tokenizer::Decode(std::span<const int32_t> ids, bool with_special) const {
  std::string text;
  for (const int32_t id : ids) {
    const std::string& piece = TokenText(id);
    if (with_special || id >= vocab_size() || !special_[id]) text += piece;
  }
  return text;
}

const std::string& Tokenizer::TokenText(int32_t id) const {
  static const std::string kNoText = "\xEF\xBF\xBD";  // U+FFFD
  TORCH_CHECK(id >= 0, "token id ", id, ", expected at least 0");
  return id < vocab_size() ? texts_[id] : kNoText;
}

std::optional<int32_t> Tokenizer::TokenId(std::string_view text) const {
  const auto it = ids_.find(text);
  if (it == ids_.end()) return std::nullopt;
  return it->second;
}

}  // namespace deduce
