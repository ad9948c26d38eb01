#include "rl/reward/math_answer.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "data/tasks/extract_answer.h"
#include "rl/reward/find_answer.h"

namespace deduce {
namespace {

bool IsWordCharacter(char c) {
  return absl::ascii_isalnum(c) || static_cast<unsigned char>(c) >= 0x80;
}

// The text without typesetting, white space only where it parts words or numbers.
std::string Letters(std::string_view text) {
  const std::string plain = absl::StrReplaceAll(std::string(text), {{"\\left", ""},
                                                                    {"\\right", ""},
                                                                    {"\\dfrac", "\\frac"},
                                                                    {"\\tfrac", "\\frac"},
                                                                    {"\\!", ""},
                                                                    {"\\,", " "},
                                                                    {"\\;", " "},
                                                                    {"\\ ", " "},
                                                                    {"$", ""}});
  std::string letters;
  bool space = false;
  for (const char c : plain) {
    if (absl::ascii_isspace(c)) {
      space = true;
      continue;
    }
    if (space && !letters.empty() && IsWordCharacter(letters.back()) && IsWordCharacter(c)) {
      letters += ' ';
    }
    letters += c;
    space = false;
  }
  if (letters.ends_with('.') && !letters.ends_with("..")) letters.pop_back();
  return letters;
}

}  // namespace

Grade GradeMathAnswer(std::string_view gold, std::string_view completion) {
  const FoundAnswer wanted = ReadGoldAnswer(gold);
  if (std::none_of(wanted.text.begin(), wanted.text.end(), IsWordCharacter)) {
    return AllOrNothing(Verdict::kUnscorable, kUnreadableGold);
  }
  const Grade same_letters = AllOrNothing(Verdict::kRight, wanted.form ? "" : kByLetters);
  if (Letters(completion) == Letters(gold)) return same_letters;
  const auto found = FindAnswer(completion);
  if (found && wanted.form && found->form) {
    return IsSameForm(*wanted.form, *found->form) ? AllOrNothing(Verdict::kRight)
                                                  : AllOrNothing(Verdict::kWrong, kNotEqual);
  }
  const std::string letters = Letters(wanted.text);
  const std::string_view whole = ExtractAnswer(completion).value_or(completion);
  if ((found && Letters(found->text) == letters) || Letters(whole) == letters) return same_letters;
  return AllOrNothing(Verdict::kWrong, !found         ? kNoAnswer
                                       : !found->form ? kNotUnderstood
                                                      : kNotEqual);
}

}  // namespace deduce
