#include "data/text/tokenizer/decoder.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "configs/status.h"
#include "data/text/tokenizer/byte_level.h"
#include "data/text/tokenizer/json_fields.h"
#include "data/text/tokenizer/metaspace.h"
#include "data/text/tokenizer/text_pattern.h"
#include "data/text/utf8.h"

namespace deduce {
namespace {

using Tokens = std::vector<std::string>;

void DecodeByteLevel(Tokens& tokens) {
  std::string bytes;
  for (const std::string& token : tokens) AppendTokenBytes(token, bytes);
  tokens = {ReplaceInvalidUtf8(bytes)};
}

void Fuse(Tokens& tokens) { tokens = {absl::StrJoin(tokens, "")}; }

// The byte of a token "<0xHH>".
std::optional<char> FallbackByte(const std::string& token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  int byte = 0;
  const char* const end = token.data() + 5;
  const auto [rest, error] = std::from_chars(token.data() + 3, end, byte, 16);
  if (error != std::errc() || rest != end || byte < 0) return std::nullopt;
  return static_cast<char>(byte);
}

// Runs of byte tokens become their characters, or one U+FFFD for each if they make none.
void DecodeByteFallback(Tokens& tokens) {
  Tokens result;
  std::string bytes;
  const auto flush = [&] {
    if (bytes.empty()) return;
    if (FindInvalidUtf8(bytes)) {
      result.resize(result.size() + bytes.size(), "\xEF\xBF\xBD");
    } else {
      result.push_back(bytes);
    }
    bytes.clear();
  };
  for (std::string& token : tokens) {
    if (const std::optional<char> byte = FallbackByte(token)) {
      bytes += *byte;
      continue;
    }
    flush();
    result.push_back(std::move(token));
  }
  flush();
  tokens = std::move(result);
}

// Removes up to `start` and `stop` times `character` from the ends of each token.
void StripCharacter(std::string_view character, int64_t start, int64_t stop, Tokens& tokens) {
  for (std::string& token : tokens) {
    std::string_view rest = token;
    for (int64_t i = 0; i < start && rest.starts_with(character); ++i) {
      rest.remove_prefix(character.size());
    }
    for (int64_t i = 0; i < stop && rest.ends_with(character); ++i) {
      rest.remove_suffix(character.size());
    }
    token = std::string(rest);
  }
}

void DecodeMetaspace(const MetaspaceSettings& settings, Tokens& tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    const bool drops = i == 0 && settings.prepend != MetaspaceSettings::kNever;
    tokens[i] = ReplaceText(tokens[i], settings.replacement, drops ? "" : " ");
  }
}

}  // namespace

absl::StatusOr<TokenDecoder> TokenDecoder::FromJson(const nlohmann::json* value,
                                                    const std::string& where) {
  TokenDecoder decoder;
  if (value != nullptr) {
    decoder.joins_with_space_ = false;
    RETURN_IF_ERROR(decoder.Read(*value, where, "decoder"));
  }
  return decoder;
}

absl::Status TokenDecoder::Read(const nlohmann::json& value, const std::string& where,
                                const std::string& path) {
  JsonFields fields(value, where, path);
  const std::string type = fields.Text("type");
  if (type == "ByteLevel") {
    for (const char* key : {"add_prefix_space", "trim_offsets", "use_regex"}) {
      fields.Flag(key, true);  // has no effect on a decoder
    }
    steps_.emplace_back(DecodeByteLevel);
  } else if (type == "ByteFallback") {
    steps_.emplace_back(DecodeByteFallback);
  } else if (type == "Fuse") {
    steps_.emplace_back(Fuse);
  } else if (type == "Strip") {
    const std::string content = fields.Text("content");
    if (content.empty() || CharacterLength(content, 0) != content.size()) {
      fields.Refuse("content", "one character");
    }
    const int64_t start = fields.Number("start", INT32_MAX),
                  stop = fields.Number("stop", INT32_MAX);
    steps_.emplace_back(
        [content, start, stop](Tokens& tokens) { StripCharacter(content, start, stop, tokens); });
  } else if (type == "Replace") {
    ASSIGN_OR_RETURN(const TokenRegex pattern,
                     ReadTextPattern(fields.Object("pattern"), where, fields.PathOf("pattern")));
    steps_.emplace_back([pattern, content = fields.Text("content")](Tokens& tokens) {
      for (std::string& token : tokens) {
        // A text on which the expression does not end stays as it is.
        absl::StatusOr<std::string> replaced = ReplaceMatches(pattern, content, token);
        if (replaced.ok()) token = *std::move(replaced);
      }
    });
  } else if (type == "Metaspace") {
    steps_.emplace_back(
        [settings = ReadMetaspace(fields)](Tokens& tokens) { DecodeMetaspace(settings, tokens); });
  } else if (type == "Sequence") {
    const nlohmann::json& parts = fields.Array("decoders");
    for (size_t i = 0; i < parts.size(); ++i) {
      RETURN_IF_ERROR(Read(parts[i], where, absl::StrCat(fields.PathOf("decoders"), "[", i, "]")));
    }
  } else {
    fields.Refuse("type", "ByteLevel, ByteFallback, Fuse, Strip, Replace, Metaspace or Sequence");
  }
  return fields.Done();
}

std::string TokenDecoder::Decode(Tokens tokens) const {
  if (joins_with_space_) return absl::StrJoin(tokens, " ");
  for (const Step& step : steps_) step(tokens);
  return absl::StrJoin(tokens, "");
}

}  // namespace deduce
