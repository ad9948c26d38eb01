#include "data/text/chat_template/budget.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"

namespace deduce::jinja {
namespace {

double WeightOf(const Value& value) { return static_cast<double>(value.weight()); }

double WeightOf(const Arguments& arguments) {
  double weight = 0;
  for (const Value& value : arguments.positional) weight += WeightOf(value);
  for (const auto& [name, value] : arguments.named) weight += WeightOf(value);
  return weight;
}

// Items that going through a value gives.
double NumItems(const Value& value) {
  if (value.is_sequence()) return static_cast<double>(value.items().size());
  if (value.is(Kind::kDict)) return static_cast<double>(value.entries().size());
  if (value.is(Kind::kIterator)) return static_cast<double>(value.iterator().items.size());
  return value.is(Kind::kString) ? WeightOf(value) : 1;
}

bool IsOneOf(const std::string& name, std::initializer_list<const char*> names) {
  return std::any_of(names.begin(), names.end(), [&](const char* known) { return name == known; });
}

}  // namespace

absl::Status Budget::Enter() {
  if (++depth > kMaxDepth)
    return Wrong("deeper blocks or calls", absl::StrCat("at most ", kMaxDepth, " levels"));
  return Take(1);
}

absl::Status Budget::Take(double count) {
  steps += count;
  if (steps <= static_cast<double>(kMaxSteps)) return absl::OkStatus();
  return Wrong("a longer run", absl::StrCat("at most ", kMaxSteps, " steps"));
}

double WorkOfFilter(const std::string& name, const Value& input, const Arguments& arguments) {
  if (IsOneOf(name, {"default", "d"})) return 1;
  const double weight = WeightOf(input), given = WeightOf(arguments);
  // Each item is compared with those before it, also within `map`.
  const auto compares = [&](const std::string& filter) {
    return filter == "unique" ? NumItems(input) * weight : filter == "sort" ? 20 * weight : 0;
  };
  double work = weight + compares(name);
  if (name == "map" && !arguments.positional.empty() && arguments.positional[0].is(Kind::kString)) {
    const std::string& inner = arguments.positional[0].text();
    work += inner == "unique" ? weight * weight / sizeof(Value) : compares(inner);
  }
  // Sequences use their arguments for each item, texts may for each character.
  const bool by_item = IsOneOf(name, {"map", "select", "reject", "selectattr", "rejectattr", "sort",
                                      "unique", "join", "dictsort"});
  return work + given * (by_item ? NumItems(input) : weight);
}

double WorkOfTest(const Value& value, const Arguments& arguments) {
  const double given = WeightOf(arguments);
  return value.is(Kind::kString) || given > 0 ? WeightOf(value) + given : 1;
}

double WorkOfCall(const Function& function, const Arguments& arguments) {
  const double given = WeightOf(arguments);
  const Value& receiver = function.receiver;
  if (receiver.is(Kind::kString)) return WeightOf(receiver) * (1 + given);
  if (receiver.is(Kind::kDict)) return 64 * NumItems(receiver) + given;
  if (receiver.is_sequence()) return WeightOf(receiver) + given * NumItems(receiver);
  // dict(...) and namespace(...) compare their names with each other.
  const auto names = static_cast<double>(arguments.named.size());
  return given + 8 * names * names;
}

double WorkOfOperator(const std::string& op, const Value& a, const Value& b) {
  const double both = WeightOf(a) + WeightOf(b);
  if (op != "in" && op != "not in") return both;
  return b.is(Kind::kString) ? WeightOf(a) * WeightOf(b) : both + WeightOf(a) * NumItems(b);
}

double WorkOfItem(const Value& value) {
  if (value.is(Kind::kString)) return WeightOf(value);
  return value.is(Kind::kDict) ? 8 * NumItems(value) : 1;
}

double WorkOfSlice(const Value& value) { return WeightOf(value); }

}  // namespace deduce::jinja
