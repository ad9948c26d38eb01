#include "rl/reward/math_answer.h"

#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"

namespace deduce {
namespace {

struct Case {
  std::string gold, completion;
};

// Lines GOLD<TAB>COMPLETION; U+23CE stands for a line feed.
std::vector<Case> ReadCases(const std::string& name) {
  std::ifstream file(std::string(DEDUCE_SOURCE_DIR) + "/tests/rl/reward/" + name);
  std::vector<Case> cases;
  for (std::string line; std::getline(file, line);) {
    const size_t tab = line.find('\t');
    EXPECT_NE(tab, line.npos) << line;
    cases.push_back(
        {line.substr(0, tab), absl::StrReplaceAll(line.substr(tab + 1), {{"\u23ce", "\n"}})});
    cases.back().gold = absl::StrReplaceAll(cases.back().gold, {{"\u23ce", "\n"}});
  }
  EXPECT_GT(cases.size(), 100U);
  return cases;
}

TEST(MathAnswerTest, EveryLineOfMathRightIsRight) {
  for (const Case& c : ReadCases("math_right.tsv")) {
    const Grade grade = GradeMathAnswer(c.gold, c.completion);
    EXPECT_EQ(grade.verdict, Verdict::kRight)
        << c.gold << " | " << c.completion << ": " << grade.reason;
  }
}

TEST(MathAnswerTest, EveryLineOfMathWrongIsWrong) {
  for (const Case& c : ReadCases("math_wrong.tsv")) {
    EXPECT_EQ(GradeMathAnswer(c.gold, c.completion).verdict, Verdict::kWrong)
        << c.gold << " | " << c.completion;
  }
}

// The texts in backticks.
std::vector<std::string> Quoted(const std::string& cell) {
  std::vector<std::string> texts;
  for (size_t begin = cell.find('`'); begin != cell.npos; begin = cell.find('`', begin)) {
    const size_t end = cell.find('`', begin + 1);
    texts.push_back(cell.substr(begin + 1, end - begin - 1));
    begin = end + 1;
  }
  return texts;
}

TEST(MathAnswerTest, TheTableOfTheDocumentsIsTrue) {
  std::ifstream file(std::string(DEDUCE_SOURCE_DIR) + "/docs/rewards.md");
  int claims = 0;
  bool in_table = false;
  for (std::string line; std::getline(file, line);) {
    in_table = line.starts_with('|') && (in_table || line.starts_with("| gold"));
    if (!in_table || !line.starts_with("| `")) continue;
    const size_t right = line.find('|', 1), wrong = line.find('|', right + 1);
    const std::string gold = Quoted(line.substr(0, right)).at(0);
    for (const std::string& answer : Quoted(line.substr(right, wrong - right))) {
      EXPECT_EQ(GradeMathAnswer(gold, answer).verdict, Verdict::kRight) << gold << " | " << answer;
      ++claims;
    }
    for (const std::string& answer : Quoted(line.substr(wrong))) {
      EXPECT_EQ(GradeMathAnswer(gold, answer).verdict, Verdict::kWrong) << gold << " | " << answer;
      ++claims;
    }
  }
  EXPECT_GT(claims, 60);
}

TEST(MathAnswerTest, EveryGoldAnswerIsItsOwn) {
  for (const char* name : {"math_right.tsv", "math_wrong.tsv"}) {
    for (const Case& c : ReadCases(name)) {
      EXPECT_EQ(GradeMathAnswer(c.gold, c.gold).verdict, Verdict::kRight) << c.gold;
      EXPECT_EQ(GradeMathAnswer(c.gold, "<answer>" + c.gold + "</answer>").verdict, Verdict::kRight)
          << c.gold;
    }
  }
}

TEST(MathAnswerTest, AnEmptyGoldAnswerIsUnscorable) {
  for (const char* gold : {"", "  ", "$$", "\\boxed{}", "."}) {
    for (const char* answer : {"", gold, "1"}) {
      const Grade grade = GradeMathAnswer(gold, answer);
      EXPECT_EQ(grade.verdict, Verdict::kUnscorable) << gold << " | " << answer;
      EXPECT_STREQ(grade.reason, kUnreadableGold);
    }
  }
}

TEST(MathAnswerTest, AWrongAnswerHasAReason) {
  EXPECT_STREQ(GradeMathAnswer("42", "\\boxed{43}").reason, kNotEqual);
  EXPECT_STREQ(GradeMathAnswer("42", "I do not know").reason, kNoAnswer);
  EXPECT_STREQ(GradeMathAnswer("42", "\\boxed{\\unknown 42}").reason, kNotUnderstood);
  EXPECT_STREQ(GradeMathAnswer("42", "\\boxed{42}").reason, "");
}

TEST(MathAnswerTest, WhatNobodyUnderstandsIsComparedByItsLetters) {
  EXPECT_EQ(GradeMathAnswer("\\unknown{a b}", "\\boxed{ \\unknown{ a  b } }").verdict,
            Verdict::kRight);
  EXPECT_EQ(GradeMathAnswer("\\unknown{a b}", "\\boxed{\\unknown{ab}}").verdict, Verdict::kWrong);
}

// Each means something to some part of the reading.
constexpr char kPieces[] = R"(
1 2 0 9 42 1,000 . , ; : - + * / ^ _ = < > ! % | ( ) [ ] { } \{ \} $ $$ \$ \( \) \[ \] \\ & \ ~
x y e i ab cm apples and or is not \frac \dfrac \sqrt \sqrt[3] \boxed{ \fbox{ \text{ \mathrm{
\left \right \begin{pmatrix} \end{pmatrix} \begin{array}{c} \pi \infty \pm \le \cup \sin \log
\circ \approx \in \binom \overline{3} ** * ` <answer> </answer> <think> million percent e5 1e9
\! \, {,})";

// kPieces apart, and some that would not be seen there.
std::vector<std::string> Pieces() {
  std::vector<std::string> pieces = {" ",      "\n",       "\u221a",     "\u00bd",
                                     "\u00b2", "\u2212",   "\u222b",     "\u7b54",
                                     "\xff",   "\xe2\x88", "answer is ", std::string(1, '\0')};
  std::istringstream all(kPieces);
  for (std::string piece; all >> piece;) pieces.push_back(piece);
  return pieces;
}

TEST(MathAnswerTest, AnyTextHasAVerdict) {
  const std::vector<std::string> pieces = Pieces();
  for (uint32_t seed = 0; seed < 6000; ++seed) {
    std::mt19937 random(seed);
    const auto text = [&] {
      std::string made;
      for (uint32_t left = random() % 30; left > 0; --left) {
        made += pieces[random() % pieces.size()];
      }
      return made;
    };
    const std::string gold = text(), completion = text();
    const Grade grade = GradeMathAnswer(gold, completion);
    EXPECT_EQ(grade.score, grade.verdict == Verdict::kRight ? 1 : 0);
    const Verdict own = GradeMathAnswer(gold, gold).verdict;
    EXPECT_TRUE(own == Verdict::kRight || own == Verdict::kUnscorable) << seed << ": " << gold;
  }
}

TEST(MathAnswerTest, MegabytesAreGraded) {
  const std::string digits(1000000, '7');
  EXPECT_EQ(GradeMathAnswer(digits, digits).verdict, Verdict::kRight);
  EXPECT_EQ(GradeMathAnswer("7", digits).verdict, Verdict::kWrong);
  EXPECT_EQ(GradeMathAnswer("7", "\\boxed{" + digits + "}").verdict, Verdict::kWrong);
  EXPECT_EQ(GradeMathAnswer(digits, digits + "7").verdict, Verdict::kWrong);
}

}  // namespace
}  // namespace deduce
