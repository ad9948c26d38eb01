#include "data/text/chat_template/values/arguments.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace deduce::jinja {

absl::StatusOr<Bound> Bind(const Arguments& arguments,
                           std::initializer_list<const char*> parameters, size_t num_required) {
  Bound bound(parameters.size());
  if (arguments.positional.size() > parameters.size()) {
    return Wrong(absl::StrCat(arguments.positional.size(), " arguments"),
                 absl::StrCat("at most ", parameters.size()));
  }
  std::copy(arguments.positional.begin(), arguments.positional.end(), bound.begin());
  for (const auto& [name, value] : arguments.named) {
    const auto it = std::find(parameters.begin(), parameters.end(), name);
    if (it == parameters.end()) {
      return Wrong(absl::StrCat("an argument named ", name), "a parameter's name");
    }
    std::optional<Value>& slot = bound[it - parameters.begin()];
    if (slot) return Wrong(absl::StrCat("two arguments for ", name), "one");
    slot = value;
  }
  for (size_t i = 0; i < num_required; ++i) {
    if (!bound[i]) return Wrong(absl::StrCat("no argument for ", parameters.begin()[i]), "one");
  }
  return bound;
}

absl::StatusOr<int64_t> IntegerOr(const std::optional<Value>& argument, int64_t absent) {
  if (!argument || argument->is(Kind::kNone)) return absent;
  if (!argument->is_integral()) {
    return Wrong(absl::StrCat(argument->TypeName(), " as an argument"), "an int");
  }
  return argument->integer();
}

absl::StatusOr<std::string> TextOf(const Value& value) {
  if (!value.is(Kind::kString)) return Wrong(value.TypeName(), "a string");
  if (value.is_markup()) return Unsupported("work on a string marked safe");
  return value.text();
}

}  // namespace deduce::jinja
