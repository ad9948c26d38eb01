#include "data/text/chat_template/filters.h"

#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/text/chat_template/sequence_filters.h"
#include "data/text/chat_template/text_filters.h"
#include "data/text/chat_template/values/value_tests.h"

namespace deduce::jinja {
namespace {

// Takes the first positional argument out.
absl::StatusOr<Value> TakeFirst(Arguments& arguments, const char* what) {
  if (arguments.positional.empty()) return Wrong(absl::StrCat("no ", what), "one");
  Value first = arguments.positional.front();
  arguments.positional.erase(arguments.positional.begin());
  return first;
}

absl::StatusOr<Value> Map(const Value& input, Arguments arguments) {
  if (!input.Truthy()) return Value::Generator({});
  std::optional<Value> path, absent;
  std::string name;
  if (arguments.positional.empty()) {
    ASSIGN_OR_RETURN(const Bound bound, Bind(arguments, {"attribute", "default"}, 1));
    path = bound[0];
    absent = bound[1];
  } else {
    ASSIGN_OR_RETURN(const Value first, TakeFirst(arguments, "filter"));
    ASSIGN_OR_RETURN(name, TextOf(first));
  }
  ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(input));
  std::vector<Value> mapped;
  for (const Value& item : items) {
    ASSIGN_OR_RETURN(mapped.emplace_back(),
                     path ? AtPath(item, *path, absent) : ApplyFilter(name, item, arguments));
  }
  return Value::Generator(std::move(mapped));
}

// select, reject, selectattr, rejectattr: items, or their attributes, that pass a test; without
// one, that are true.
absl::StatusOr<Value> Select(const std::string& filter, const Value& input, Arguments arguments) {
  if (!input.Truthy()) return Value::Generator({});
  const bool keeps = absl::StartsWith(filter, "select");
  Value path = Value::None();
  if (absl::EndsWith(filter, "attr")) {
    ASSIGN_OR_RETURN(path, TakeFirst(arguments, "attribute"));
  }
  std::string test;
  if (!arguments.positional.empty()) {
    ASSIGN_OR_RETURN(const Value first, TakeFirst(arguments, "test"));
    ASSIGN_OR_RETURN(test, TextOf(first));
  }
  ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(input));
  std::vector<Value> kept;
  for (const Value& item : items) {
    ASSIGN_OR_RETURN(const Value part, AtPath(item, path));
    bool passes = part.Truthy();
    if (!test.empty()) {
      ASSIGN_OR_RETURN(passes, ApplyTest(test, part, arguments));
    }
    if (passes == keeps) kept.push_back(item);
  }
  return Value::Generator(std::move(kept));
}

}  // namespace

absl::StatusOr<Value> ApplyFilter(const std::string& name, const Value& input,
                                  const Arguments& arguments) {
  if (name == "map") return Map(input, arguments);
  if (name == "select" || name == "reject" || name == "selectattr" || name == "rejectattr") {
    return Select(name, input, arguments);
  }
  ASSIGN_OR_RETURN(const std::optional<Value> text, ApplyTextFilter(name, input, arguments));
  if (text) return *text;
  ASSIGN_OR_RETURN(const std::optional<Value> sequence,
                   ApplySequenceFilter(name, input, arguments));
  if (sequence) return *sequence;
  return Unsupported(absl::StrCat("the filter ", name));
}

}  // namespace deduce::jinja
