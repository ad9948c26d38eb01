#include "data/text/tokenizer/normalizer.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/text/tokenizer/json_fields.h"
#include "data/text/tokenizer/text_pattern.h"
#include "data/text/tokenizer/unicode.h"
#include "data/text/utf8.h"

namespace deduce {
namespace {

std::string StripWhiteSpace(std::string_view text, bool left, bool right) {
  size_t begin = text.size(), end = 0;  // range without white space at its ends
  for (size_t i = 0; i < text.size();) {
    const size_t length = CharacterLength(text, i);
    if (!IsWhiteSpace(CodePoint(text.substr(i, length)))) {
      begin = std::min(begin, i);
      end = i + length;
    }
    i += length;
  }
  if (!left || begin == text.size()) begin = left ? text.size() : 0;
  if (!right) end = text.size();
  return std::string(text.substr(begin, end > begin ? end - begin : 0));
}

}  // namespace

absl::StatusOr<TextNormalizer> TextNormalizer::FromJson(const nlohmann::json* value,
                                                        const std::string& where) {
  TextNormalizer normalizer;
  if (value != nullptr) RETURN_IF_ERROR(normalizer.Read(*value, where, "normalizer"));
  return normalizer;
}

absl::Status TextNormalizer::Read(const nlohmann::json& value, const std::string& where,
                                  const std::string& path) {
  static const std::map<std::string, UnicodeForm> kForms = {{"NFC", UnicodeForm::kNfc},
                                                            {"NFD", UnicodeForm::kNfd},
                                                            {"NFKC", UnicodeForm::kNfkc},
                                                            {"NFKD", UnicodeForm::kNfkd}};
  JsonFields fields(value, where, path);
  const std::string type = fields.Text("type");
  if (const auto form = kForms.find(type); form != kForms.end()) {
    steps_.push_back([form = form->second](std::string& text) {
      text = NormalizeUnicode(text, form);
      return absl::OkStatus();
    });
  } else if (type == "Lowercase") {
    steps_.push_back([](std::string& text) {
      text = Lowercase(text);
      return absl::OkStatus();
    });
  } else if (type == "Prepend") {
    steps_.push_back([prefix = fields.Text("prepend")](std::string& text) {
      if (!text.empty()) text.insert(0, prefix);
      return absl::OkStatus();
    });
  } else if (type == "Strip") {
    const bool left = fields.Flag("strip_left"), right = fields.Flag("strip_right");
    steps_.push_back([left, right](std::string& text) {
      text = StripWhiteSpace(text, left, right);
      return absl::OkStatus();
    });
  } else if (type == "Replace") {
    ASSIGN_OR_RETURN(const TokenRegex pattern,
                     ReadTextPattern(fields.Object("pattern"), where, fields.PathOf("pattern")));
    steps_.push_back([pattern, content = fields.Text("content")](std::string& text) {
      ASSIGN_OR_RETURN(text, ReplaceMatches(pattern, content, text));
      return absl::OkStatus();
    });
  } else if (type == "Sequence") {
    const nlohmann::json& parts = fields.Array("normalizers");
    for (size_t i = 0; i < parts.size(); ++i) {
      RETURN_IF_ERROR(
          Read(parts[i], where, absl::StrCat(fields.PathOf("normalizers"), "[", i, "]")));
    }
  } else {
    fields.Refuse("type", "NFC, NFD, NFKC, NFKD, Prepend, Replace, Lowercase, Strip or Sequence");
  }
  return fields.Done();
}

absl::Status TextNormalizer::Apply(std::string& text) const {
  for (const Step& step : steps_) RETURN_IF_ERROR(step(text));
  return absl::OkStatus();
}

}  // namespace deduce
