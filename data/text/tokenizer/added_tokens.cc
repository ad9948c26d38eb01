#include "data/text/tokenizer/added_tokens.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/text/tokenizer/json_fields.h"
#include "data/text/tokenizer/unicode.h"
#include "data/text/utf8.h"

namespace deduce {
namespace {

constexpr size_t kMostTokenBytes = 1024;

bool IsContinuation(char byte) { return (static_cast<uint8_t>(byte) & 0xc0) == 0x80; }

// Where the last character of a text that is not empty begins.
size_t LastCharacter(std::string_view text) {
  size_t begin = text.size() - 1;
  while (begin > 0 && IsContinuation(text[begin])) --begin;
  return begin;
}

bool EndsWithWord(std::string_view text) {
  return !text.empty() && IsWordCharacter(CodePoint(text.substr(LastCharacter(text))));
}

bool StartsWithWord(std::string_view text) {
  return !text.empty() && IsWordCharacter(CodePoint(text.substr(0, CharacterLength(text, 0))));
}

// `end` moved left over white space, not below `least`.
size_t SkipSpaceBefore(std::string_view text, size_t end, size_t least) {
  while (end > least) {
    const size_t begin = LastCharacter(text.substr(0, end));
    if (begin < least || !IsWhiteSpace(CodePoint(text.substr(begin, end - begin)))) break;
    end = begin;
  }
  return end;
}

size_t SkipSpaceAfter(std::string_view text, size_t begin) {
  while (begin < text.size()) {
    const size_t length = CharacterLength(text, begin);
    if (!IsWhiteSpace(CodePoint(text.substr(begin, length)))) break;
    begin += length;
  }
  return begin;
}

}  // namespace

absl::StatusOr<AddedTokens> AddedTokens::FromJson(const nlohmann::json& tokens,
                                                  const std::string& where,
                                                  const Vocabulary& vocabulary,
                                                  const TextNormalizer& normalizer) {
  AddedTokens added;
  for (size_t i = 0; i < tokens.size(); ++i) {
    RETURN_IF_ERROR(
        added.Add(tokens[i], where, absl::StrCat("added_tokens[", i, "]"), vocabulary, normalizer));
  }
  return added;
}

absl::Status AddedTokens::Add(const nlohmann::json& token, const std::string& where,
                              const std::string& path, const Vocabulary& vocabulary,
                              const TextNormalizer& normalizer) {
  JsonFields fields(token, where, path);
  const std::string content = fields.Text("content");
  const bool normalized = fields.Flag("normalized");
  const Rule rule{.id = static_cast<int32_t>(fields.Number("id", INT32_MAX)),
                  .single_word = fields.Flag("single_word"),
                  .lstrip = fields.Flag("lstrip"),
                  .rstrip = fields.Flag("rstrip"),
                  .special = fields.Flag("special")};
  if (content.empty()) fields.Refuse("content", "a text that is not empty");
  // A place of a text may be compared with the whole of a token.
  if (content.size() > kMostTokenBytes) {
    fields.Refuse("content", absl::StrCat("a text of at most ", kMostTokenBytes, " bytes"));
  }
  if (ids_.contains(content)) fields.Refuse("content", "every token once");
  const std::optional<int32_t> known = vocabulary.Find(content);
  const int32_t next = vocabulary.size() + num_beyond();
  if (rule.id != known.value_or(next)) {
    fields.Refuse("id", known ? absl::StrCat(*known, " as in model.vocab")
                              : absl::StrCat(next, ", the next id"));
  }
  std::string pattern = content;
  if (normalized) RETURN_IF_ERROR(normalizer.Apply(pattern));
  if (pattern.empty()) fields.Refuse("content", "a text that its normalizer leaves something of");
  RETURN_IF_ERROR(fields.Done());
  (normalized ? normalized_ : given_).Insert(pattern, static_cast<int32_t>(rules_.size()));
  if (!known) beyond_.push_back(content);
  ids_.emplace(content, rule.id);
  if (rule.special) special_.insert(rule.id);
  if (normalized && pattern != content) normalized_texts_.emplace(rule.id, pattern);
  rules_.push_back(rule);
  return absl::OkStatus();
}

std::vector<AddedTokens::Part> AddedTokens::Cut(std::string_view text,
                                                const TokenTrie& trie) const {
  std::vector<Part> parts;
  size_t done = 0;
  for (size_t i = 0; !trie.empty() && i < text.size();) {
    const TokenTrie::Match match = trie.LongestAt(text.substr(i));
    if (match.length == 0) {
      ++i;
      continue;
    }
    const Rule& rule = rules_[match.value];
    size_t begin = i, end = i + match.length;
    i = end;
    if (rule.single_word &&
        (EndsWithWord(text.substr(0, begin)) || StartsWithWord(text.substr(end)))) {
      continue;
    }
    if (rule.lstrip) begin = SkipSpaceBefore(text, begin, std::min(begin, done));
    if (rule.rstrip) end = SkipSpaceAfter(text, end);
    if (done < begin) parts.push_back({text.substr(done, begin - done), std::nullopt});
    parts.push_back({text.substr(begin, end - begin), rule.id});
    done = end;
  }
  if (done < text.size()) parts.push_back({text.substr(done), std::nullopt});
  return parts;
}

std::optional<int32_t> AddedTokens::Find(std::string_view text) const {
  const auto it = ids_.find(absl::string_view(text.data(), text.size()));
  if (it == ids_.end()) return std::nullopt;
  return it->second;
}

const std::string* AddedTokens::NormalizedText(int32_t id) const {
  const auto it = normalized_texts_.find(id);
  return it == normalized_texts_.end() ? nullptr : &it->second;
}

bool AddedTokens::IsSpecial(int32_t id) const { return special_.contains(id); }

}  // namespace deduce
