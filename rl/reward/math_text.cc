#include "rl/reward/math_text.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "data/text/utf8.h"

namespace deduce {
namespace {

struct Spelling {
  uint32_t code;
  const char* text;
};

// In the order of codes.
constexpr Spelling kSpellings[] = {
    {0x00a0, " "},
    {0x00a3, "$"},
    {0x00a5, "$"},
    {0x00b0, "\\degree "},
    {0x00b1, "\\pm "},
    {0x00b7, "\\cdot "},
    {0x00bc, "\\frac14 "},
    {0x00bd, "\\frac12 "},
    {0x00be, "\\frac34 "},
    {0x00d7, "\\times "},
    {0x00f7, "\\div "},
    {0x03b1, "\\alpha "},
    {0x03b2, "\\beta "},
    {0x03b3, "\\gamma "},
    {0x03b4, "\\delta "},
    {0x03b5, "\\epsilon "},
    {0x03b8, "\\theta "},
    {0x03bb, "\\lambda "},
    {0x03bc, "\\mu "},
    {0x03c0, "\\pi "},
    {0x03c1, "\\rho "},
    {0x03c3, "\\sigma "},
    {0x03c6, "\\phi "},
    {0x03c9, "\\omega "},
    {0x2009, "\\,"},
    {0x2010, "-"},
    {0x2011, "-"},
    {0x2012, "-"},
    {0x2013, "-"},
    {0x2014, "-"},
    {0x202f, "\\,"},
    {0x2032, "'"},
    {0x2044, "/"},
    {0x20ac, "$"},
    {0x2153, "\\frac13 "},
    {0x2154, "\\frac23 "},
    {0x215b, "\\frac18 "},
    {0x215c, "\\frac38 "},
    {0x215d, "\\frac58 "},
    {0x215e, "\\frac78 "},
    {0x2205, "\\varnothing "},
    {0x2208, "\\in "},
    {0x2212, "-"},
    {0x2215, "/"},
    {0x2217, "*"},
    {0x2219, "\\cdot "},
    {0x221a, "\\unicoderoot "},
    {0x221e, "\\infty "},
    {0x2229, "\\cap "},
    {0x222a, "\\cup "},
    {0x2236, ":"},
    {0x223c, "\\sim "},
    {0x2248, "\\approx "},
    {0x2260, "\\ne "},
    {0x2264, "\\le "},
    {0x2265, "\\ge "},
    {0x22c5, "\\cdot "},
    {0x2a7d, "\\le "},
    {0x2a7e, "\\ge "},
    {0xff0c, ","},
    {0xff1a, ":"},
};

// The ASCII character of a superscript; 0 if `code` is none.
char Superscript(uint32_t code) {
  if (code == 0x00b9) return '1';
  if (code == 0x00b2) return '2';
  if (code == 0x00b3) return '3';
  if (code == 0x2070 || (code >= 0x2074 && code <= 0x2079))
    return static_cast<char>('0' + (code - 0x2070));
  if (code == 0x207b) return '-';
  return 0;
}

}  // namespace

bool IsMathSign(uint32_t code) {
  constexpr std::pair<uint32_t, uint32_t> kRanges[] = {
      {0x00ac, 0x00ac}, {0x00b0, 0x00b3},  {0x00b7, 0x00b9}, {0x00bc, 0x00be}, {0x00d7, 0x00d7},
      {0x00f7, 0x00f7}, {0x0391, 0x03f6},  {0x2010, 0x2015}, {0x2032, 0x2037}, {0x2044, 0x2044},
      {0x2070, 0x209f}, {0x2100, 0x218f},  {0x2190, 0x23ff}, {0x25a0, 0x25ff}, {0x27c0, 0x27ff},
      {0x2900, 0x2bff}, {0x1d400, 0x1d7ff}};
  return std::any_of(std::begin(kRanges), std::end(kRanges), [&](const auto& range) {
    return code >= range.first && code <= range.second;
  });
}

std::string AsciiMath(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  bool raised = false;  // inside ^{...}
  for (size_t at = 0; at < text.size();) {
    const size_t length = std::max<size_t>(CharacterLength(text, at), 1);
    const std::string_view character = text.substr(at, length);
    at += length;
    const uint32_t code = length > 1 ? CodePoint(character) : 0;
    const char superscript = Superscript(code);
    if (superscript != 0) {
      absl::StrAppend(&result, raised ? "" : "^{", std::string(1, superscript));
      raised = true;
      continue;
    }
    if (std::exchange(raised, false)) result += '}';
    const auto place = std::lower_bound(
        std::begin(kSpellings), std::end(kSpellings), code,
        [](const Spelling& spelling, uint32_t wanted) { return spelling.code < wanted; });
    if (code != 0 && place != std::end(kSpellings) && place->code == code) {
      result += place->text;
    } else {
      result += character;
    }
  }
  if (raised) result += '}';
  return result;
}

}  // namespace deduce
