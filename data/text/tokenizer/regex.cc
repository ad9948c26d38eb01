#include "data/text/tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "c10/util/Exception.h"
#include "configs/status.h"
#include "data/text/tokenizer/json_fields.h"
#include "data/text/tokenizer/regex_syntax.h"
#include "data/text/tokenizer/unicode_additions.h"
#include "data/text/utf8.h"

namespace deduce {
namespace {

std::string ErrorText(int code) {
  PCRE2_UCHAR text[256] = {};
  pcre2_get_error_message(code, text, sizeof(text));
  return reinterpret_cast<const char*>(text);
}

// Scratch memory for matching; one a thread.
struct MatchSpace {
  MatchSpace()
      : data(pcre2_match_data_create(1, nullptr)),
        context(pcre2_match_context_create(nullptr)),
        stack(pcre2_jit_stack_create(size_t{32} << 10, size_t{4} << 20, nullptr)) {
    TORCH_CHECK(data != nullptr && context != nullptr && stack != nullptr, "PCRE2: out of memory");
    pcre2_jit_stack_assign(context, nullptr, stack);
    pcre2_set_heap_limit(context, 64 << 10);  // KiB, for machines without JIT
  }
  ~MatchSpace() {
    pcre2_jit_stack_free(stack);
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
  }
  MatchSpace(const MatchSpace&) = delete;
  MatchSpace& operator=(const MatchSpace&) = delete;

  pcre2_match_data* data;
  pcre2_match_context* context;
  pcre2_jit_stack* stack;
};

}  // namespace

struct TokenRegex::Compiled {
  explicit Compiled(pcre2_code* compiled) : code(compiled) {}
  ~Compiled() { pcre2_code_free(code); }
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;

  static absl::StatusOr<std::shared_ptr<const Compiled>> Make(const std::string& pattern);
  // The first match at or after `from`; begin == npos if there is none.
  absl::StatusOr<RegexStretch> Find(std::string_view text, size_t from) const;

  pcre2_code* code;
};

absl::StatusOr<std::shared_ptr<const TokenRegex::Compiled>> TokenRegex::Compiled::Make(
    const std::string& pattern) {
  pcre2_compile_context* context = pcre2_compile_context_create(nullptr);
  TORCH_CHECK(context != nullptr, "PCRE2: out of memory");
  // Only a line feed is a new line: for `.` and, in every line, `^` and `$`.
  pcre2_set_newline(context, PCRE2_NEWLINE_LF);
  pcre2_set_max_pattern_length(context, 1 << 16);
  int error = 0;
  size_t offset = 0;
  pcre2_code* code = pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &offset, context);
  pcre2_compile_context_free(context);
  if (code == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("found \"", ErrorText(error), "\", expected a regular expression"));
  }
  auto compiled = std::make_shared<const Compiled>(code);
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where it fails, matching interprets
  return compiled;
}

absl::StatusOr<RegexStretch> TokenRegex::Compiled::Find(std::string_view text, size_t from) const {
  thread_local MatchSpace space;
  const int found = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                                PCRE2_NO_UTF_CHECK, space.data, space.context);
  if (found == PCRE2_ERROR_NOMATCH) return RegexStretch{std::string_view::npos, 0, false};
  if (found < 0) {
    return absl::ResourceExhaustedError(absl::StrCat("the regular expression: found \"",
                                                     ErrorText(found),
                                                     "\", expected one that ends on this text"));
  }
  const size_t* ends = pcre2_get_ovector_pointer(space.data);
  return RegexStretch{ends[0], ends[1], true};
}

absl::StatusOr<TokenRegex> TokenRegex::Compile(std::string_view pattern) {
  if (pattern.empty()) return absl::InvalidArgumentError("found \"\", expected an expression");
  ASSIGN_OR_RETURN(const Pcre2Pattern translated, TranslateRegex(pattern));
  TokenRegex regex;
  ASSIGN_OR_RETURN(regex.plain_, Compiled::Make(translated.plain));
  ASSIGN_OR_RETURN(regex.extended_, Compiled::Make(translated.extended));
  return regex;
}

TokenRegex TokenRegex::Literal(std::string_view text) {
  TORCH_CHECK(!text.empty(), "a literal to look for, expected a text");
  TokenRegex regex;
  regex.literal_ = text;
  return regex;
}

absl::StatusOr<std::vector<RegexStretch>> TokenRegex::Cut(std::string_view text) const {
  const Compiled* expression = nullptr;
  if (literal_.empty()) expression = (HasUnicodeAddition(text) ? extended_ : plain_).get();
  const auto find = [&](size_t from) -> absl::StatusOr<RegexStretch> {
    if (expression != nullptr) return expression->Find(text, from);
    const size_t begin = text.find(literal_, from);
    return RegexStretch{begin, begin + literal_.size(), true};
  };
  std::vector<RegexStretch> stretches;
  size_t done = 0;
  for (size_t from = 0; from <= text.size();) {
    ASSIGN_OR_RETURN(const RegexStretch match, find(from));
    if (match.begin == std::string_view::npos) break;
    // An empty match right after a match is none: go on after the next character.
    if (match.begin == match.end && !stretches.empty() && match.end == done) {
      from = match.end + (match.end < text.size() ? CharacterLength(text, match.end) : 1);
      continue;
    }
    if (done < match.begin) stretches.push_back({done, match.begin, false});
    stretches.push_back(match);
    from = done = match.end;
  }
  if (done < text.size()) stretches.push_back({done, text.size(), false});
  return stretches;
}

}  // namespace deduce
