#include "rl/reward/math_form.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <span>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rl/reward/math_expression.h"
#include "rl/reward/math_tokens.h"
#include "rl/reward/math_units.h"

namespace deduce {
namespace {

using Kind = MathToken::Kind;
using Tokens = std::span<const MathToken>;
using Form = std::optional<MathForm>;

constexpr int kMaxNesting = 12;  // lists and pairs within each other
constexpr std::string_view kRelations[] = {"=",       "<",     ">",        "\\le",
                                           "\\ge",    "\\ne",  "\\approx", "\\in",
                                           "\\equiv", "\\sim", "\\to",     "\\subset"};

bool Opens(const MathToken& token) {
  return token.Is("(") || token.Is("[") || token.Is("{") || token.Is("\\{") ||
         token.Is("\\langle") || token.Is("\\begin");
}
bool Closes(const MathToken& token) {
  return token.Is(")") || token.Is("]") || token.Is("}") || token.Is("\\}") ||
         token.Is("\\rangle") || token.Is("\\end");
}

// Places of tokens outside all brackets that `wanted` picks.
template <typename Wanted>
std::vector<size_t> FindOutside(Tokens tokens, const Wanted& wanted) {
  std::vector<size_t> places;
  int depth = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (Closes(tokens[i])) --depth;
    if (depth == 0 && wanted(tokens[i])) places.push_back(i);
    if (Opens(tokens[i])) ++depth;
  }
  return places;
}

std::vector<Tokens> CutAt(Tokens tokens, const std::vector<size_t>& places) {
  std::vector<Tokens> parts;
  size_t begin = 0;
  for (const size_t place : places) {
    parts.push_back(tokens.subspan(begin, place - begin));
    begin = place + 1;
  }
  parts.push_back(tokens.subspan(begin));
  return parts;
}

// Whether the first token's bracket closes with the last.
bool IsEnclosed(Tokens tokens) {
  if (tokens.size() < 2 || !Opens(tokens.front()) || !Closes(tokens.back())) return false;
  int depth = 0;
  for (size_t i = 0; i + 1 < tokens.size(); ++i) {
    depth += Opens(tokens[i]) ? 1 : Closes(tokens[i]) ? -1 : 0;
    if (depth == 0) return false;
  }
  return true;
}

Tokens Inside(Tokens tokens) { return tokens.subspan(1, tokens.size() - 2); }

Tokens WithoutPunctuation(Tokens tokens) {
  constexpr std::string_view kEnds = ".,;:!?";
  while (!tokens.empty() && tokens.back().kind == Kind::kSign && tokens.back().text.size() == 1 &&
         kEnds.find(tokens.back().text[0]) != kEnds.npos) {
    const bool goes_on = tokens.size() > 1 && tokens.back().Is(".") &&
                         tokens[tokens.size() - 2].Is(".");  // 1, 2, 3, ...
    if (goes_on) break;
    // 5! is 120.
    const bool factorial =
        tokens.back().Is("!") && tokens.size() > 1 && tokens[tokens.size() - 2].kind != Kind::kWord;
    if (factorial) break;
    tokens = tokens.first(tokens.size() - 1);
  }
  return tokens;
}

bool IsConstant(const Polynomial& value) {
  for (const auto& [monomial, coefficient] : value.terms()) {
    for (const auto& [atom, exponent] : monomial) {
      if (!absl::ascii_isdigit(atom[0]) && atom != "\\pi" && atom != "e" && atom != "\\infty") {
        return false;
      }
    }
  }
  return true;
}

MathForm OfValue(const Polynomial& value) {
  return {.value = value.Text(), .is_number = value.AsRational().has_value()};
}

// One text for a form that is part of another.
std::string Flat(const MathForm& form) {
  if (form.items.empty()) return form.value;
  std::vector<std::string> values;
  for (const MathForm& item : form.items) values.push_back(Flat(item));
  std::sort(values.begin(), values.end());
  return absl::StrCat("set(", absl::StrJoin(values, "|"), ")");
}

MathForm Sequence(std::string_view open, const std::vector<std::string>& values,
                  std::string_view close) {
  return {.value = absl::StrCat("in order", std::string(open), absl::StrJoin(values, "|"),
                                std::string(close))};
}

class FormReader {
 public:
  // Items separated by commas, "and", "or".
  Form List(Tokens tokens) {
    tokens = WithoutPunctuation(tokens);
    while (IsEnclosed(tokens) && tokens.front().Is("{")) tokens = Inside(tokens);
    if (tokens.empty() || ++depth_ > kMaxNesting) return std::nullopt;
    Form form = IsWords(tokens) ? Words(tokens) : Items(tokens);
    --depth_;
    return form;
  }

 private:
  Form Items(Tokens tokens) {
    const std::vector<size_t> places = FindOutside(tokens, [](const MathToken& token) {
      return token.Is(",") || token.Is(";") || token.Is("and") || token.Is("or");
    });
    if (places.empty()) return Item(tokens);
    MathForm list;
    for (const Tokens part : CutAt(tokens, places)) {
      if (part.empty()) continue;
      Form item = Item(part);
      if (!item) return std::nullopt;
      if (item->items.empty() || part.front().Is("\\{")) {
        list.items.push_back(*std::move(item));
      } else {  // both values of +-
        for (MathForm& one : item->items) list.items.push_back(std::move(one));
      }
    }
    if (list.items.empty()) return std::nullopt;
    if (list.items.size() == 1) return std::move(list.items[0]);
    return list;
  }

  Form Item(Tokens tokens) {
    if (tokens.empty()) return std::nullopt;
    if (IsEnclosed(tokens) && tokens.front().Is("\\{") && tokens.back().Is("\\}")) {
      return List(Inside(tokens));
    }
    const std::vector<size_t> places = FindOutside(tokens, [](const MathToken& token) {
      return std::find(std::begin(kRelations), std::end(kRelations), token.text) !=
                 std::end(kRelations) &&
             token.kind != Kind::kNumber;
    });
    if (places.empty()) return Value(tokens);
    std::vector<std::string> relations;
    for (const size_t place : places) relations.push_back(tokens[place].text);
    return Related(CutAt(tokens, places), relations);
  }

  Form Related(std::vector<Tokens> parts, std::vector<std::string> relations) {
    for (const Tokens part : parts) {
      if (part.empty()) return std::nullopt;
    }
    // A value behind "about equal" only repeats the one before.
    const auto about = std::find(relations.begin(), relations.end(), "\\approx");
    if (about != relations.end()) {
      const auto kept = static_cast<size_t>(about - relations.begin());
      if (kept == 0 && relations.size() == 1 && NameOf(parts[0])) {
        relations[0] = "=";
      } else {
        relations.resize(kept);
        parts.resize(kept + 1);
      }
    }
    if (relations.empty()) return Value(parts[0]);
    const auto all = [&](std::string_view a, std::string_view b) {
      return std::all_of(relations.begin(), relations.end(), [&](const std::string& relation) {
        return relation == a || relation == b;
      });
    };
    if (all("=", "=")) return Equal(parts);
    if (all("<", "\\le")) return Ordered(parts, relations);
    if (all(">", "\\ge")) {
      std::reverse(parts.begin(), parts.end());
      std::reverse(relations.begin(), relations.end());
      for (std::string& relation : relations) relation = relation == ">" ? "<" : "\\le";
      return Ordered(parts, relations);
    }
    if (relations.size() != 1) return std::nullopt;
    if (relations[0] == "\\in" && NameOf(parts[0])) return Value(parts[1]);
    if (relations[0] != "\\ne") return std::nullopt;
    const auto left = ReadExpression(parts[0]), right = ReadExpression(parts[1]);
    if (!left || !right) return std::nullopt;
    return MathForm{.value = absl::StrCat(left->Text(), "!=", right->Text())};
  }

  // x = 5 is 5, and so are 2 + 3 = 5 and x = 2 + 3 = 5: the last of names and calculations. Other
  // equations stay whole.
  Form Equal(std::vector<Tokens> parts) {
    if (parts.size() == 2 && NameOf(parts[1]) && !NameOf(parts[0])) std::swap(parts[0], parts[1]);
    std::string name;
    bool calculated = false;
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      if (const auto its_name = NameOf(parts[i])) {
        if (name.empty()) name = *its_name;
        continue;
      }
      const auto value = ReadExpression(parts[i]);
      if (!value || !value->AsRational()) return Equation(parts);
      calculated = true;
    }
    Form form = Value(parts.back());
    if (!form) return std::nullopt;
    if (calculated && !form->is_number) return Equation(parts);
    if (form->name.empty()) form->name = name;
    for (MathForm& item : form->items) {
      if (item.name.empty()) item.name = name;
    }
    return form;
  }

  // The difference of both sides, up to a factor.
  Form Equation(const std::vector<Tokens>& parts) {
    if (parts.size() != 2) return std::nullopt;
    auto difference = Difference(parts[0], parts[1]);
    if (!difference) return std::nullopt;
    if (!difference->is_zero() && difference->terms().begin()->second.numerator < 0) {
      difference = Multiply(*difference, Polynomial::Constant({-1, 1}));
    }
    return MathForm{.value = absl::StrCat(difference->Text(), "=0")};
  }

  // left - right without a common factor.
  static std::optional<Polynomial> Difference(Tokens left, Tokens right) {
    const auto a = ReadExpression(left), b = ReadExpression(right);
    const auto opposite = b ? Multiply(*b, Polynomial::Constant({-1, 1})) : std::nullopt;
    const auto difference = a && opposite ? Add(*a, *opposite) : std::nullopt;
    return difference ? Primitive(*difference) : std::nullopt;
  }

  // a < b or a < x < b, with <= for any <. Bounds of a name are an interval.
  Form Ordered(const std::vector<Tokens>& parts, const std::vector<std::string>& relations) {
    const auto bracket = [&](size_t i, std::string_view strict, std::string_view other) {
      return relations[i] == "<" ? strict : other;
    };
    const auto interval = [&](Tokens quantity, std::string_view open, const std::string& from,
                              const std::string& to, std::string_view close) {
      MathForm form = Sequence(open, {from, to}, close);
      form.name = NameOf(quantity).value_or("");
      return form;
    };
    const auto low = Bound(parts.front()), high = Bound(parts.back());
    if (parts.size() == 3) {
      if (!low || !high || !NameOf(parts[1])) return std::nullopt;
      return interval(parts[1], bracket(0, "(", "["), *low, *high, bracket(1, ")", "]"));
    }
    if (parts.size() != 2) return std::nullopt;
    if (low && NameOf(parts[1])) {
      return interval(parts[1], bracket(0, "(", "["), *low, "1*\\infty", ")");
    }
    if (high && NameOf(parts[0])) {
      return interval(parts[0], "(", "-1*\\infty", *high, bracket(0, ")", "]"));
    }
    const auto difference = Difference(parts[0], parts[1]);
    if (!difference) return std::nullopt;
    return MathForm{.value = absl::StrCat(difference->Text(), relations[0], "0")};
  }

  static std::optional<std::string> Bound(Tokens tokens) {
    const auto value = ReadExpression(tokens);
    if (!value || !IsConstant(*value)) return std::nullopt;
    return value->Text();
  }

  // The name of a quantity: a letter with its subscript, words, f(x), (p, q).
  static std::optional<std::string> NameOf(Tokens tokens) {
    constexpr std::string_view kFunctionLetters = "fghFGHPETSAV";
    if (tokens.empty()) return std::nullopt;
    if (tokens.size() == 1 && tokens[0].kind == Kind::kName) return tokens[0].text;
    int letters = 0, ratios = 0, depth = 0;
    const bool list_of_names = IsEnclosed(tokens) && tokens.front().Is("(");
    for (size_t i = 0; i < tokens.size(); ++i) {
      const MathToken& token = tokens[i];
      if (token.Is("_")) {  // a token or a group
        if (i + 1 >= tokens.size()) return std::nullopt;
        for (int open = tokens[++i].Is("{") ? 1 : 0; open > 0 && i + 1 < tokens.size();) {
          open += tokens[++i].Is("{") ? 1 : tokens[i].Is("}") ? -1 : 0;
        }
        continue;
      }
      if (token.Is(")")) --depth;
      if (depth > 0 && !list_of_names) continue;
      if (token.Is("(")) {
        const bool applied =
            i > 0 && (tokens[i - 1].kind == Kind::kWord ||
                      kFunctionLetters.find(tokens[i - 1].text) != std::string_view::npos);
        if (!applied && !(list_of_names && i == 0)) return std::nullopt;
        ++depth;
        continue;
      }
      if (token.kind == Kind::kWord) {
        const std::string next = i + 1 < tokens.size() ? tokens[i + 1].text : "";
        if (ScalesAQuantity(absl::AsciiStrToLower(token.text), next)) return std::nullopt;
        continue;
      }
      if (token.Is(":")) ++ratios;
      if (token.kind == Kind::kName) {
        letters += token.in_text || list_of_names ? 0 : 1;
      } else if (!(token.Is(")") || token.Is("{") || token.Is("}") || token.Is("\\angle") ||
                   token.Is("\\overline") || token.Is("\\triangle") || token.Is("\\frac") ||
                   token.Is(":") || token.Is("'") || (token.Is(",") && list_of_names))) {
        return std::nullopt;
      }
    }
    if (letters > 1 + ratios) return std::nullopt;
    std::string name;
    for (const MathToken& token : tokens) {
      if (!token.Is("{") && !token.Is("}")) name += token.text;
    }
    return name;
  }

  Form Value(Tokens tokens) {
    tokens = WithoutPunctuation(tokens);
    // "option (B)"
    if (tokens.size() > 1 && (tokens[0].Is("option") || tokens[0].Is("Option"))) {
      tokens = tokens.subspan(1);
    }
    while (IsEnclosed(tokens) && tokens.front().Is("{")) tokens = Inside(tokens);
    if (tokens.empty() || ++depth_ > kMaxNesting) return std::nullopt;
    Form form = IsWords(tokens) ? Words(tokens) : Structure(tokens);
    --depth_;
    return form;
  }

  Form Structure(Tokens tokens) {
    if (const auto cups = Outside(tokens, "\\cup"); !cups.empty())
      return Union(CutAt(tokens, cups));
    if (IsEnclosed(tokens)) {
      Tokens inside = Inside(tokens);
      if (tokens.front().Is("\\begin")) return Matrix(tokens);
      if (IsEnclosed(inside) && inside.front().Is("\\begin")) return Matrix(inside);
      if (tokens.front().Is("\\{") && tokens.back().Is("\\}")) return List(inside);
      if (Form form = Pair(tokens)) return form;
      if (IsWords(inside) && tokens.front().Is("(")) return Words(inside);
    }
    if (const auto colons = Outside(tokens, ":"); !colons.empty()) {
      return InOrder("", CutAt(tokens, colons), ":");
    }
    return Number(tokens);
  }

  static std::vector<size_t> Outside(Tokens tokens, std::string_view sign) {
    return FindOutside(tokens, [&](const MathToken& token) { return token.Is(sign); });
  }

  Form Union(const std::vector<Tokens>& parts) {
    MathForm pieces;
    for (const Tokens part : parts) {
      Form piece = Item(part);
      if (!piece) return std::nullopt;
      pieces.items.push_back(*std::move(piece));
    }
    return MathForm{.value = absl::StrCat("union ", Flat(pieces))};
  }

  // Values in brackets, in order.
  Form Pair(Tokens tokens) {
    const Tokens inside = Inside(tokens);
    const auto commas =
        FindOutside(inside, [](const MathToken& token) { return token.Is(",") || token.Is(";"); });
    if (commas.empty()) return std::nullopt;
    return InOrder(tokens.front().text, CutAt(inside, commas), tokens.back().text);
  }

  Form InOrder(std::string_view open, const std::vector<Tokens>& parts, std::string_view close) {
    std::vector<std::string> values;
    for (const Tokens part : parts) {
      const Form value = Item(part);
      if (!value) return std::nullopt;
      values.push_back(Flat(*value));
    }
    return Sequence(open, values, close);
  }

  // \begin{pmatrix} a & b \\ c & d \end{pmatrix}. Brackets of either kind are the same.
  Form Matrix(Tokens tokens) {
    const Tokens body = Inside(tokens);
    std::vector<std::string> rows;
    for (const Tokens row : CutAt(body, Outside(body, "\\\\"))) {
      if (row.empty()) continue;
      const Form values = InOrder("", CutAt(row, Outside(row, "&")), "");
      if (!values) return std::nullopt;
      rows.push_back(values->value);
    }
    return Sequence("matrix", rows, "");
  }

  // An expression, with its unit, or both values of one with +-.
  Form Number(Tokens tokens) {
    const bool has_two = std::any_of(tokens.begin(), tokens.end(), [](const MathToken& token) {
      return token.Is("\\pm") || token.Is("\\mp");
    });
    for (const bool only_known : {false, true}) {
      const auto unit = FindUnit(tokens, only_known);
      const Tokens number = unit ? tokens.first(unit->begin) : tokens;
      auto value = ReadExpression(number);
      if (value && unit) value = Multiply(*value, Polynomial::Constant(unit->factor));
      if (!value) continue;
      // "2x sides" is no number with a unit.
      if (unit && !only_known && !value->AsRational()) continue;
      MathForm form = OfValue(*value);
      if (unit) form.unit = unit->name;
      if (!has_two) return form;
      const auto other = ReadExpression(number, -1);
      if (!other) return std::nullopt;
      MathForm both;
      both.items = {std::move(form), OfValue(*other)};
      return both;
    }
    return std::nullopt;
  }

  // Several words, or letters of a text: an answer in words.
  static bool IsWords(Tokens tokens) {
    bool word = tokens.size() == 1 && tokens[0].kind == Kind::kName;
    for (const MathToken& token : tokens) {
      word |= token.kind == Kind::kWord;
      const bool in_words = token.kind == Kind::kWord || token.Is("'") || token.Is("-") ||
                            token.Is(".") ||
                            (token.kind == Kind::kName && (token.in_text || tokens.size() == 1));
      if (!in_words) return false;
    }
    return word;
  }

  static Form Words(Tokens tokens) {
    std::string text;
    for (const MathToken& token : tokens) {
      absl::StrAppend(&text, text.empty() || !token.space_before ? "" : " ",
                      absl::AsciiStrToLower(token.text));
    }
    return MathForm{.value = "words " + text};
  }

  int depth_ = 0;
};

// Whether all items have a name, each its own.
bool AreNamed(const std::vector<MathForm>& items) {
  std::set<std::string> names;
  for (const MathForm& item : items) names.insert(item.name);
  return !names.contains("") && names.size() == items.size();
}

bool AreSameItems(const std::vector<MathForm>& gold, const std::vector<MathForm>& answer) {
  if (gold.size() != answer.size()) return false;
  const bool gold_named = AreNamed(gold), answer_named = AreNamed(answer);
  const auto key = [&](const MathForm& item) {
    return gold_named && answer_named ? absl::StrCat(item.name, "=", Flat(item)) : Flat(item);
  };
  std::vector<std::string> ours, theirs;
  for (const MathForm& item : gold) ours.push_back(key(item));
  for (const MathForm& item : answer) theirs.push_back(key(item));
  if (gold_named == answer_named) {
    std::sort(ours.begin(), ours.end());
    std::sort(theirs.begin(), theirs.end());
  }
  return ours == theirs;
}

}  // namespace

std::optional<MathForm> ReadMathForm(std::string_view text) {
  const auto tokens = ReadMathTokens(text);
  if (!tokens) return std::nullopt;
  return FormReader().List(*tokens);
}

bool IsSameForm(const MathForm& gold, const MathForm& answer) {
  if (!gold.items.empty() || !answer.items.empty()) {
    return AreSameItems(gold.items, answer.items);
  }
  const bool other_name =
      gold.name.size() == 1 && answer.name.size() == 1 && gold.name != answer.name;
  const bool other_unit = !gold.unit.empty() && !answer.unit.empty() && gold.unit != answer.unit;
  return gold.value == answer.value && !other_name && !other_unit;
}

}  // namespace deduce
