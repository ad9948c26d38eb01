#include "data/text/tokenizer/pre_tokenizer.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/text/tokenizer/json_fields.h"
#include "data/text/tokenizer/metaspace.h"
#include "data/text/tokenizer/splitting.h"
#include "data/text/tokenizer/text_pattern.h"
#include "data/text/tokenizer/unicode.h"
#include "data/text/utf8.h"

namespace deduce {
namespace {

// The expression that ByteLevel cuts by when a file does not turn that off.
constexpr char kGpt2Pattern[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

using Stretches = std::vector<RegexStretch>;

// A step that cuts every piece at the stretches that `find` gives for it.
template <typename Find>
auto CutStep(Find find, SplitBehavior behavior) {
  return [find = std::move(find), behavior](TextPieces& text) -> absl::Status {
    std::vector<std::string_view> pieces;
    pieces.reserve(text.pieces.size());
    for (const std::string_view piece : text.pieces) {
      ASSIGN_OR_RETURN(const Stretches stretches, find(piece));
      AppendPieces(piece, stretches, behavior, pieces);
    }
    text.pieces = std::move(pieces);
    return absl::OkStatus();
  };
}

// Each numeric character by itself is a match.
absl::StatusOr<Stretches> NumericStretches(std::string_view text) {
  Stretches stretches;
  size_t done = 0;
  for (size_t i = 0; i < text.size();) {
    const size_t length = CharacterLength(text, i);
    if (IsNumeric(CodePoint(text.substr(i, length)))) {
      if (done < i) stretches.push_back({done, i, false});
      stretches.push_back({i, i + length, true});
      done = i + length;
    }
    i += length;
  }
  if (done < text.size()) stretches.push_back({done, text.size(), false});
  return stretches;
}

}  // namespace

absl::StatusOr<PreTokenizer> PreTokenizer::FromJson(const nlohmann::json* value,
                                                    const std::string& where) {
  PreTokenizer pre_tokenizer;
  if (value != nullptr) {
    RETURN_IF_ERROR(pre_tokenizer.Read(*value, where, "pre_tokenizer"));
  }
  return pre_tokenizer;
}

absl::Status PreTokenizer::Read(const nlohmann::json& value, const std::string& where,
                                const std::string& path) {
  JsonFields fields(value, where, path);
  const std::string type = fields.Text("type");
  if (byte_level_) fields.Refuse("type", "nothing after ByteLevel");
  if (type == "Split") {
    RETURN_IF_ERROR(ReadSplit(fields));
  } else if (type == "ByteLevel") {
    RETURN_IF_ERROR(ReadByteLevel(fields));
  } else if (type == "Metaspace") {
    RETURN_IF_ERROR(ReadMetaspaceStep(fields));
  } else if (type == "Digits") {
    steps_.push_back(CutStep(NumericStretches, fields.Flag("individual_digits", false)
                                                   ? SplitBehavior::kIsolated
                                                   : SplitBehavior::kContiguous));
  } else if (type == "Sequence") {
    const nlohmann::json& parts = fields.Array("pretokenizers");
    for (size_t i = 0; i < parts.size(); ++i) {
      RETURN_IF_ERROR(
          Read(parts[i], where, absl::StrCat(fields.PathOf("pretokenizers"), "[", i, "]")));
    }
  } else {
    fields.Refuse("type", "Split, Digits, ByteLevel, Metaspace or Sequence");
  }
  return fields.Done();
}

absl::Status PreTokenizer::ReadSplit(JsonFields& fields) {
  const std::string name = fields.Text("behavior");
  const std::optional<SplitBehavior> behavior = SplitBehaviorNamed(name);
  if (!behavior) {
    fields.Refuse("behavior",
                  "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
    return fields.Done();
  }
  const bool invert = fields.Flag("invert", false);
  ASSIGN_OR_RETURN(
      const TokenRegex pattern,
      ReadTextPattern(fields.Object("pattern"), fields.where(), fields.PathOf("pattern")));
  steps_.push_back(CutStep(
      [pattern, invert](std::string_view piece) -> absl::StatusOr<Stretches> {
        ASSIGN_OR_RETURN(Stretches stretches, pattern.Cut(piece));
        for (RegexStretch& stretch : stretches) stretch.matched ^= invert;
        return stretches;
      },
      *behavior));
  return absl::OkStatus();
}

absl::Status PreTokenizer::ReadByteLevel(JsonFields& fields) {
  byte_level_ = true;
  fields.Flag("trim_offsets", true);  // has no effect on ids
  if (fields.Flag("add_prefix_space")) {
    steps_.push_back([](TextPieces& text) {
      for (std::string_view& piece : text.pieces) {
        if (!piece.starts_with(' '))
          piece = text.changed.emplace_back(absl::StrCat(" ", std::string(piece)));
      }
      return absl::OkStatus();
    });
  }
  if (fields.Flag("use_regex", true)) {
    ASSIGN_OR_RETURN(const TokenRegex pattern, TokenRegex::Compile(kGpt2Pattern));
    steps_.push_back(CutStep([pattern](std::string_view piece) { return pattern.Cut(piece); },
                             SplitBehavior::kIsolated));
  }
  return absl::OkStatus();
}

absl::Status PreTokenizer::ReadMetaspaceStep(JsonFields& fields) {
  const MetaspaceSettings settings = ReadMetaspace(fields);
  if (settings.prepend == MetaspaceSettings::kFirst && !steps_.empty()) {
    fields.Refuse("prepend_scheme", "always or never, after another pre-tokenizer");
  }
  RETURN_IF_ERROR(fields.Done());
  steps_.push_back([settings](TextPieces& text) {
    for (size_t i = 0; i < text.pieces.size(); ++i) {
      std::string piece = ReplaceText(text.pieces[i], " ", settings.replacement);
      const bool prepends =
          settings.prepend == MetaspaceSettings::kAlways ||
          (settings.prepend == MetaspaceSettings::kFirst && text.at_start && i == 0);
      if (prepends && !piece.starts_with(settings.replacement)) {
        piece.insert(0, settings.replacement);
      }
      text.pieces[i] = text.changed.emplace_back(std::move(piece));
    }
    return absl::OkStatus();
  });
  if (settings.split) {
    const TokenRegex mark = TokenRegex::Literal(settings.replacement);
    steps_.push_back(CutStep([mark](std::string_view piece) { return mark.Cut(piece); },
                             SplitBehavior::kMergedWithNext));
  }
  return absl::OkStatus();
}

absl::Status PreTokenizer::Apply(TextPieces& text) const {
  for (const Step& step : steps_) RETURN_IF_ERROR(step(text));
  return absl::OkStatus();
}

}  // namespace deduce
