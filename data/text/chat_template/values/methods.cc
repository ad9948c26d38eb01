#include "data/text/chat_template/values/methods.h"

#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/text/chat_template/values/python_text.h"

namespace deduce::jinja {
namespace {

using Name = const std::string&;

absl::StatusOr<std::optional<std::string>> OptionalText(const std::optional<Value>& argument) {
  if (!argument || argument->is(Kind::kNone)) return std::optional<std::string>();
  ASSIGN_OR_RETURN(std::string text, TextOf(*argument));
  return std::optional<std::string>(std::move(text));
}

// A list of them. Error: CheckParts'.
absl::StatusOr<Value> Texts(const std::vector<std::string>& texts) {
  RETURN_IF_ERROR(CheckParts(texts));
  std::vector<Value> values;
  for (const std::string& text : texts) values.push_back(Value::String(text));
  return Value::List(std::move(values));
}

// Python's built-in methods that take no keywords.
absl::StatusOr<Bound> BindPositional(const Arguments& arguments,
                                     std::initializer_list<const char*> names,
                                     size_t num_required) {
  if (!arguments.named.empty()) {
    return Wrong(absl::StrCat("an argument named ", arguments.named[0].first), "none by name");
  }
  return Bind(arguments, names, num_required);
}

absl::StatusOr<Value> StripMethod(const std::string& text, Name name, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Bound bound, BindPositional(arguments, {"chars"}, 0));
  ASSIGN_OR_RETURN(const std::optional<std::string> chars, OptionalText(bound[0]));
  const Side side = name == "strip" ? Side::kBoth : name == "lstrip" ? Side::kLeft : Side::kRight;
  return Value::String(std::string(Strip(text, side, chars)));
}

absl::StatusOr<Value> SplitMethod(const std::string& text, Name name, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Bound bound, Bind(arguments, {"sep", "maxsplit"}, 0));
  ASSIGN_OR_RETURN(const std::optional<std::string> separator, OptionalText(bound[0]));
  if (separator && separator->empty()) return Wrong("an empty separator", "a longer one");
  if (bound[1] && bound[1]->is(Kind::kNone)) return Wrong("None for maxsplit", "an int");
  ASSIGN_OR_RETURN(const int64_t limit, IntegerOr(bound[1], -1));
  return Texts(Split(text, separator, limit, name == "rsplit"));
}

absl::StatusOr<Value> AffixMethod(const std::string& text, Name name, const Arguments& arguments) {
  if (arguments.positional.size() > 1) return Unsupported(absl::StrCat(name, " with positions"));
  ASSIGN_OR_RETURN(const Bound bound, BindPositional(arguments, {"affix"}, 1));
  const std::vector<Value> one = {*bound[0]};
  for (const Value& affix : bound[0]->is(Kind::kTuple) ? bound[0]->items() : one) {
    ASSIGN_OR_RETURN(const std::string part, TextOf(affix));
    if (name == "startswith" ? absl::StartsWith(text, part) : absl::EndsWith(text, part)) {
      return Value::Bool(true);
    }
  }
  return Value::Bool(false);
}

absl::StatusOr<Value> RemoveMethod(const std::string& text, Name name, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Bound bound, BindPositional(arguments, {"affix"}, 1));
  ASSIGN_OR_RETURN(const std::string affix, TextOf(*bound[0]));
  if (name == "removeprefix" && absl::StartsWith(text, affix)) {
    return Value::String(text.substr(affix.size()));
  }
  if (name == "removesuffix" && absl::EndsWith(text, affix)) {
    return Value::String(text.substr(0, text.size() - affix.size()));
  }
  return Value::String(text);
}

absl::StatusOr<Value> FindMethod(const std::string& text, Name name, const Arguments& arguments) {
  if (arguments.positional.size() > 1) return Unsupported(absl::StrCat(name, " with positions"));
  ASSIGN_OR_RETURN(const Bound bound, BindPositional(arguments, {"sub"}, 1));
  ASSIGN_OR_RETURN(const std::string part, TextOf(*bound[0]));
  const bool from_right = name[0] == 'r';
  const size_t at = from_right ? text.rfind(part) : text.find(part);
  if (at != std::string::npos) return Value::Int(CharacterOffsets(text.substr(0, at)).size() - 1);
  if (absl::EndsWith(name, "index")) return Wrong("no such part of the string", "one");
  return Value::Int(-1);
}

absl::StatusOr<Value> CountMethod(const std::string& text, Name name, const Arguments& arguments) {
  if (arguments.positional.size() > 1) return Unsupported(absl::StrCat(name, " with positions"));
  ASSIGN_OR_RETURN(const Bound bound, BindPositional(arguments, {"sub"}, 1));
  ASSIGN_OR_RETURN(const std::string part, TextOf(*bound[0]));
  if (part.empty()) return Value::Int(CharacterOffsets(text).size());
  const std::vector<std::string> parts = Split(text, part, -1, false);
  RETURN_IF_ERROR(CheckParts(parts));
  return Value::Int(parts.size() - 1);
}

absl::StatusOr<Value> ReplaceMethod(const std::string& text, Name, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Bound bound, BindPositional(arguments, {"old", "new", "count"}, 2));
  ASSIGN_OR_RETURN(const std::string old, TextOf(*bound[0]));
  ASSIGN_OR_RETURN(const std::string by, TextOf(*bound[1]));
  if (bound[2] && bound[2]->is(Kind::kNone)) return Wrong("None for count", "an int");
  ASSIGN_OR_RETURN(const int64_t limit, IntegerOr(bound[2], -1));
  ASSIGN_OR_RETURN(std::string result, Replace(text, old, by, limit));
  return Value::String(std::move(result));
}

absl::StatusOr<Value> JoinMethod(const std::string& text, Name, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Bound bound, BindPositional(arguments, {"iterable"}, 1));
  ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(*bound[0]));
  std::string result;
  for (const Value& item : items) {
    ASSIGN_OR_RETURN(const std::string part, TextOf(item));
    absl::StrAppend(&result, &item == &items.front() ? "" : text, part);
    RETURN_IF_ERROR(CheckTextSize(result.size()));
  }
  return Value::String(std::move(result));
}

absl::StatusOr<Value> PartitionMethod(const std::string& text, Name name,
                                      const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Bound bound, BindPositional(arguments, {"sep"}, 1));
  ASSIGN_OR_RETURN(const std::string separator, TextOf(*bound[0]));
  if (separator.empty()) return Wrong("an empty separator", "a longer one");
  const bool from_right = name == "rpartition";
  const size_t at = from_right ? text.rfind(separator) : text.find(separator);
  std::vector<std::string> parts = {text, "", ""};
  if (at != std::string::npos) {
    parts = {text.substr(0, at), separator, text.substr(at + separator.size())};
  } else if (from_right) {
    parts = {"", "", text};
  }
  ASSIGN_OR_RETURN(const Value list, Texts(parts));
  return Value::Sequence(Kind::kTuple, list.items());
}

absl::StatusOr<Value> SplitLinesMethod(const std::string& text, Name, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Bound bound, Bind(arguments, {"keepends"}, 0));
  return Texts(SplitLines(text, bound[0] && bound[0]->Truthy()));
}

absl::StatusOr<Value> CaseMethod(const std::string& text, Name name, const Arguments& arguments) {
  RETURN_IF_ERROR(BindPositional(arguments, {}, 0).status());
  const Case to = name == "upper"   ? Case::kUpper
                  : name == "lower" ? Case::kLower
                  : name == "title" ? Case::kTitle
                                    : Case::kCapitalize;
  ASSIGN_OR_RETURN(std::string result, ChangeCase(text, to));
  return Value::String(std::move(result));
}

absl::StatusOr<Value> IsMethod(const std::string& text, Name name, const Arguments& arguments) {
  RETURN_IF_ERROR(BindPositional(arguments, {}, 0).status());
  if (name == "isspace") {
    return Value::Bool(!text.empty() && Strip(text, Side::kBoth).empty());
  }
  ASSIGN_OR_RETURN(const bool result, HasCase(text, name == "isupper"));
  return Value::Bool(result);
}

absl::StatusOr<Value> StringMethod(const std::string& text, Name name, const Arguments& arguments) {
  using Method = absl::StatusOr<Value> (*)(const std::string&, Name, const Arguments&);
  constexpr std::pair<const char*, Method> kMethods[] = {{"strip", StripMethod},
                                                         {"lstrip", StripMethod},
                                                         {"rstrip", StripMethod},
                                                         {"split", SplitMethod},
                                                         {"rsplit", SplitMethod},
                                                         {"startswith", AffixMethod},
                                                         {"endswith", AffixMethod},
                                                         {"removeprefix", RemoveMethod},
                                                         {"removesuffix", RemoveMethod},
                                                         {"find", FindMethod},
                                                         {"rfind", FindMethod},
                                                         {"index", FindMethod},
                                                         {"rindex", FindMethod},
                                                         {"count", CountMethod},
                                                         {"replace", ReplaceMethod},
                                                         {"join", JoinMethod},
                                                         {"partition", PartitionMethod},
                                                         {"rpartition", PartitionMethod},
                                                         {"splitlines", SplitLinesMethod},
                                                         {"upper", CaseMethod},
                                                         {"lower", CaseMethod},
                                                         {"title", CaseMethod},
                                                         {"capitalize", CaseMethod},
                                                         {"isspace", IsMethod},
                                                         {"isupper", IsMethod},
                                                         {"islower", IsMethod}};
  for (const auto& [known, method] : kMethods) {
    if (name == known) return method(text, name, arguments);
  }
  return Unsupported(absl::StrCat("the string method ", name));
}

absl::StatusOr<Value> DictMethod(const Value& dict, Name name, const Arguments& arguments) {
  const Entries& entries = dict.entries();
  if (name == "get") {
    ASSIGN_OR_RETURN(const Bound bound, BindPositional(arguments, {"key", "default"}, 1));
    Entries probe;  // refuses what has no hash
    RETURN_IF_ERROR(SetKey(probe, *bound[0], Value::None()));
    const Value* value = FindKey(entries, *bound[0]);
    return value ? *value : bound[1].value_or(Value::None());
  }
  RETURN_IF_ERROR(BindPositional(arguments, {}, 0).status());
  if (name == "copy") return dict;
  std::vector<Value> items;
  for (const auto& [key, value] : entries) {
    items.push_back(name == "keys"     ? key
                    : name == "values" ? value
                                       : Value::Sequence(Kind::kTuple, {key, value}));
  }
  if (name != "keys" && name != "values" && name != "items") {
    return Unsupported(absl::StrCat("the dict method ", name));
  }
  return Value::Sequence(Kind::kView, std::move(items));
}

absl::StatusOr<Value> ListMethod(const Value& list, Name name, const Arguments& arguments) {
  const std::vector<Value>& items = list.items();
  if (name == "copy") {
    RETURN_IF_ERROR(BindPositional(arguments, {}, 0).status());
    return list;
  }
  if (arguments.positional.size() > 1) return Unsupported(absl::StrCat(name, " with positions"));
  ASSIGN_OR_RETURN(const Bound bound, BindPositional(arguments, {"value"}, 1));
  const auto equals = [&](const Value& item) { return Equal(item, *bound[0]); };
  if (name == "count") return Value::Int(std::count_if(items.begin(), items.end(), equals));
  if (name != "index") return Unsupported(absl::StrCat("the list method ", name));
  const auto it = std::find_if(items.begin(), items.end(), equals);
  if (it == items.end()) return Wrong("no such item in the list", "one");
  return Value::Int(it - items.begin());
}

absl::StatusOr<Value> LoopMethod(const Loop& loop, Name name, const Arguments& arguments) {
  if (name != "cycle") return Unsupported(absl::StrCat("loop.", name));
  if (!arguments.named.empty() || arguments.positional.empty()) {
    return Wrong("other arguments of loop.cycle", "values to cycle through");
  }
  return arguments.positional[loop.index0 % arguments.positional.size()];
}

}  // namespace

absl::StatusOr<Value> CallMethod(const Function& method, const Arguments& arguments) {
  const Value& receiver = method.receiver;
  switch (receiver.kind()) {
    case Kind::kString: {
      ASSIGN_OR_RETURN(const std::string text, TextOf(receiver));
      return StringMethod(text, method.name, arguments);
    }
    case Kind::kDict:
      return DictMethod(receiver, method.name, arguments);
    case Kind::kList:
    case Kind::kTuple:
      return ListMethod(receiver, method.name, arguments);
    case Kind::kLoop:
      return LoopMethod(receiver.loop(), method.name, arguments);
    default:
      return Unsupported(absl::StrCat("calling ", method.name, " of ", receiver.TypeName()));
  }
}

}  // namespace deduce::jinja
