#include "data/text/tokenizer/unicode.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "c10/util/Exception.h"
#include "data/text/tokenizer/unicode_additions.h"
#include "data/text/utf8.h"

namespace deduce {
namespace {

bool IsAddition(uint32_t code, std::string_view category) {
  const auto additions = UnicodeAdditions();
  return std::any_of(additions.begin(), additions.end(), [&](const UnicodeAddition& range) {
    return code >= range.first && code <= range.last &&
           std::string_view(range.category).substr(0, category.size()) == category;
  });
}

// Capitals of Unicode 16 and 17, which ICU may not know yet; 0 for all others.
uint32_t LateLowercase(uint32_t code) {
  static constexpr struct {
    uint32_t first, last, lower;  // lower case of the first; the others follow
  } kPairs[] = {{0x1c89, 0x1c89, 0x1c8a},   {0xa7cb, 0xa7cb, 0x264},  {0xa7cc, 0xa7cc, 0xa7cd},
                {0xa7ce, 0xa7ce, 0xa7cf},   {0xa7d2, 0xa7d2, 0xa7d3}, {0xa7d4, 0xa7d4, 0xa7d5},
                {0xa7da, 0xa7da, 0xa7db},   {0xa7dc, 0xa7dc, 0x19b},  {0x10d50, 0x10d65, 0x10d70},
                {0x16ea0, 0x16eb8, 0x16ebb}};
  for (const auto& [first, last, lower] : kPairs) {
    if (code >= first && code <= last) return lower + (code - first);
  }
  return 0;
}

const icu::Normalizer2* StandardNormalizer(UnicodeForm form, UErrorCode& error) {
  switch (form) {
    case UnicodeForm::kNfc:
      return icu::Normalizer2::getNFCInstance(error);
    case UnicodeForm::kNfd:
      return icu::Normalizer2::getNFDInstance(error);
    case UnicodeForm::kNfkc:
      return icu::Normalizer2::getNFKCInstance(error);
    default:
      return icu::Normalizer2::getNFKDInstance(error);
  }
}

// The four forms, restricted to the characters of Unicode 9. They live as long as the program.
const icu::Normalizer2& NormalizerOf(UnicodeForm form) {
  static const auto* const kNormalizers = [] {
    UErrorCode error = U_ZERO_ERROR;
    auto* known = new icu::UnicodeSet(icu::UnicodeString("[:age=9.0:]"), error);
    known->freeze();
    auto* normalizers = new std::vector<std::unique_ptr<icu::Normalizer2>>;
    for (const UnicodeForm each :
         {UnicodeForm::kNfc, UnicodeForm::kNfd, UnicodeForm::kNfkc, UnicodeForm::kNfkd}) {
      const icu::Normalizer2* standard = StandardNormalizer(each, error);
      TORCH_CHECK(U_SUCCESS(error), "ICU: ", u_errorName(error));
      normalizers->push_back(std::make_unique<icu::FilteredNormalizer2>(*standard, *known));
    }
    return normalizers;
  }();
  return *(*kNormalizers)[static_cast<size_t>(form)];
}

// The marks that a character consists of: itself, or the two of a Tibetan vowel sign that no normal
// form keeps; none for other characters.
std::vector<uint32_t> MarksOf(uint32_t code, const icu::Normalizer2& normalizer) {
  if (code == 0xf73) return {0xf71, 0xf72};
  if (code == 0xf75) return {0xf71, 0xf74};
  if (code == 0xf81) return {0xf71, 0xf80};
  if (code < 0x300 || normalizer.getCombiningClass(static_cast<UChar32>(code)) == 0) return {};
  return {code};
}

// The same text for every normal form, with long runs of combining marks in their order. ICU moves
// each mark past all that belong behind it, one by one.
std::string WithMarksInOrder(std::string_view text, const icu::Normalizer2& normalizer) {
  constexpr size_t kLongRun = 64;  // no language has as many
  std::string result;
  std::vector<uint32_t> run;
  size_t run_begin = 0, done = 0;
  const auto end_run = [&](size_t run_end) {
    if (run.size() > kLongRun) {
      std::stable_sort(run.begin(), run.end(), [&](uint32_t a, uint32_t b) {
        return normalizer.getCombiningClass(static_cast<UChar32>(a)) <
               normalizer.getCombiningClass(static_cast<UChar32>(b));
      });
      result.append(text.substr(done, run_begin - done));
      for (const uint32_t code : run) AppendCharacter(code, result);
      done = run_end;
    }
    run.clear();
  };
  for (size_t i = 0; i < text.size();) {
    const size_t length = CharacterLength(text, i);
    const std::vector<uint32_t> marks = MarksOf(CodePoint(text.substr(i, length)), normalizer);
    if (marks.empty()) end_run(i);
    if (run.empty()) run_begin = i;
    run.insert(run.end(), marks.begin(), marks.end());
    i += length;
  }
  end_run(text.size());
  return result.append(text.substr(done));
}

}  // namespace

bool IsWhiteSpace(uint32_t code) {
  return code == ' ' || (code >= 9 && code <= 13) ||
         (code > 127 && u_isUWhiteSpace(static_cast<UChar32>(code)));
}

bool IsNumeric(uint32_t code) {
  if (code < 128) return code >= '0' && code <= '9';
  if ((U_GET_GC_MASK(static_cast<UChar32>(code)) & U_GC_N_MASK) != 0) return true;
  // The second and third are of Unicode 17, which the package has for this question alone.
  return IsAddition(code, "N") || (code >= 0x11de0 && code <= 0x11de9) ||
         (code >= 0x16ff4 && code <= 0x16ff6);
}

bool IsWordCharacter(uint32_t code) {
  const auto character = static_cast<UChar32>(code);
  return u_hasBinaryProperty(character, UCHAR_ALPHABETIC) ||
         u_hasBinaryProperty(character, UCHAR_JOIN_CONTROL) ||
         (U_GET_GC_MASK(character) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0 ||
         IsAddition(code, "L") || IsAddition(code, "M") || IsAddition(code, "Nd");
}

std::string Lowercase(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size();) {
    const size_t length = CharacterLength(text, i);
    const uint32_t code = CodePoint(text.substr(i, length));
    i += length;
    if (code == 0x130) {
      result += "i\xCC\x87";  // the only character whose lower case is two
    } else if (const uint32_t late = LateLowercase(code)) {
      AppendCharacter(late, result);
    } else {
      AppendCharacter(static_cast<uint32_t>(u_tolower(static_cast<UChar32>(code))), result);
    }
  }
  return result;
}

std::string NormalizeUnicode(std::string_view text, UnicodeForm form) {
  // Characters below U+0300 (first byte 0xcc) are in form C, ASCII is in every form.
  const uint8_t fixed = form == UnicodeForm::kNfc ? 0xcc : 0x80;
  if (std::all_of(text.begin(), text.end(),
                  [fixed](char byte) { return static_cast<uint8_t>(byte) < fixed; })) {
    return std::string(text);
  }
  const std::string ordered = WithMarksInOrder(text, NormalizerOf(form));
  text = ordered;
  std::string result;
  icu::StringByteSink<std::string> sink(&result, static_cast<int32_t>(text.size()));
  UErrorCode error = U_ZERO_ERROR;
  NormalizerOf(form).normalizeUTF8(
      0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())), sink, nullptr, error);
  TORCH_CHECK(U_SUCCESS(error), "ICU: ", u_errorName(error));
  return result;
}

}  // namespace deduce
