#include "data/text/chat_template/values/subscript.h"

#include <algorithm>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "configs/status.h"
#include "data/text/chat_template/values/arguments.h"
#include "data/text/chat_template/values/python_text.h"

namespace deduce::jinja {
namespace {

// The public attributes that Python's types have. What is called and not built is an error of the
// call.
const char* PythonAttributes(Kind kind) {
  switch (kind) {
    case Kind::kString:
      return "capitalize casefold center count encode endswith expandtabs find format format_map "
             "index isalnum "
             "isalpha isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace "
             "istitle isupper "
             "join ljust lower lstrip maketrans partition removeprefix removesuffix replace rfind "
             "rindex rjust "
             "rpartition rsplit rstrip split splitlines startswith strip swapcase title translate "
             "upper zfill";
    case Kind::kList:
      return "copy count index";
    case Kind::kTuple:
      return "count index";
    case Kind::kDict:
      return "copy fromkeys get items keys values";
    case Kind::kBool:
    case Kind::kInt:
      return "as_integer_ratio bit_count bit_length conjugate denominator from_bytes imag "
             "numerator real to_bytes";
    case Kind::kFloat:
      return "as_integer_ratio conjugate fromhex hex imag is_integer real";
    case Kind::kRange:
      return "count index start step stop";
    case Kind::kView:
      return "isdisjoint mapping";
    case Kind::kIterator:
      return "close gi_code gi_frame gi_running gi_suspended gi_yieldfrom send throw";
    case Kind::kFunction:
      return "arguments caller catch_kwargs catch_varargs explicit_caller name";
    default:
      return "";
  }
}

// Methods that exist and that the sandbox hides.
const char* HiddenAttributes(Kind kind) {
  if (kind == Kind::kList) return "append clear extend insert pop remove reverse sort";
  if (kind == Kind::kDict) return "clear pop popitem setdefault update";
  return "";
}

bool Names(const char* list, const std::string& name) {
  for (const absl::string_view word : absl::StrSplit(list, ' ')) {
    if (word == name) return !word.empty();
  }
  return false;
}

Value Missing(const Value& value, const std::string& name) {
  return Value::Undefined(absl::StrCat("no \"", name, "\" in ", value.TypeName()));
}

// The attributes of the name `loop`.
std::optional<Value> LoopAttribute(const Value& value, const std::string& name) {
  const Loop& loop = value.loop();
  const int64_t index0 = loop.index0, length = loop.items.size();
  if (name == "index0") return Value::Int(index0);
  if (name == "index") return Value::Int(index0 + 1);
  if (name == "first") return Value::Bool(index0 == 0);
  if (name == "last") return Value::Bool(index0 + 1 == length);
  if (name == "length") return Value::Int(length);
  if (name == "revindex") return Value::Int(length - index0);
  if (name == "revindex0") return Value::Int(length - index0 - 1);
  if (name == "depth") return Value::Int(loop.depth);
  if (name == "depth0") return Value::Int(loop.depth - 1);
  if (name == "previtem") {
    return index0 > 0 ? loop.items[index0 - 1] : Value::Undefined("no item before the first one");
  }
  if (name == "nextitem") {
    return index0 + 1 < length ? loop.items[index0 + 1]
                               : Value::Undefined("no item behind the last one");
  }
  if (name == "cycle" || name == "changed") return Value::Callable({name, value, true});
  return std::nullopt;
}

// Python's getattr; nothing where it raises.
absl::StatusOr<std::optional<Value>> PythonAttribute(const Value& value, const std::string& name) {
  if (absl::StartsWith(name, "__")) {
    return Unsupported(absl::StrCat("the attribute ", name));
  }
  if (value.is(Kind::kLoop)) return LoopAttribute(value, name);
  if (value.is(Kind::kNamespace)) {
    const auto it = value.attributes().find(name);
    if (it == value.attributes().end()) return std::optional<Value>();
    return it->second;
  }
  if (value.is_markup()) return Unsupported("an attribute of a string marked safe");
  if (Names(HiddenAttributes(value.kind()), name)) {
    return Value::Undefined(absl::StrCat("the method ", name, ", which changes its object"));
  }
  if (!Names(PythonAttributes(value.kind()), name)) return std::optional<Value>();
  return Value::Callable({name, value, true});
}

// Python's value[key]; nothing where it raises TypeError or LookupError.
absl::StatusOr<std::optional<Value>> PythonItem(const Value& value, const Value& key) {
  if (value.is(Kind::kDict)) {
    const Value* item = FindKey(value.entries(), key);
    return item ? std::optional<Value>(*item) : std::nullopt;
  }
  if (!key.is_integral()) return std::optional<Value>();
  int64_t index = key.integer();
  if (value.is(Kind::kString)) {
    ASSIGN_OR_RETURN(const std::string text, TextOf(value));
    const std::vector<size_t> offsets = CharacterOffsets(text);
    const int64_t length = offsets.size() - 1;
    if (index < 0) index += length;
    if (index < 0 || index >= length) return std::optional<Value>();
    return Value::String(text.substr(offsets[index], offsets[index + 1] - offsets[index]));
  }
  if (!value.is_sequence() || value.is(Kind::kView)) return std::optional<Value>();
  const int64_t length = value.items().size();
  if (index < 0) index += length;
  if (index < 0 || index >= length) return std::optional<Value>();
  return value.items()[index];
}

// The positions that Python's slice(start, stop, step).indices(length) gives.
std::vector<size_t> SlicePositions(std::optional<int64_t> start, std::optional<int64_t> stop,
                                   int64_t step, int64_t length) {
  const auto clamp = [&](int64_t bound) {
    if (bound < 0) bound = std::max(bound + length, step < 0 ? int64_t{-1} : int64_t{0});
    return std::min(bound, step < 0 ? length - 1 : length);
  };
  const int64_t first = start ? clamp(*start) : step < 0 ? length - 1 : 0;
  const int64_t end = stop ? clamp(*stop) : step < 0 ? -1 : length;
  // Steps beyond the length are all the same; this keeps the sum below within 64 bits.
  step = std::clamp<int64_t>(step, -length - 1, length + 1);
  std::vector<size_t> positions;
  for (int64_t i = first; step > 0 ? i < end : i > end; i += step) positions.push_back(i);
  return positions;
}

}  // namespace

absl::StatusOr<Value> GetAttribute(const Value& value, const std::string& name) {
  if (value.is(Kind::kUndefined))
    return Wrong(value.missing(), absl::StrCat("a value with a ", name));
  // Names with one underscore exist nowhere in public; a dict may have them as keys.
  absl::StatusOr<std::optional<Value>> found = PythonAttribute(value, name);
  if (found.ok() && !*found && value.is(Kind::kDict))
    found = PythonItem(value, Value::String(name));
  RETURN_IF_ERROR(found.status());
  return *found ? **found : Missing(value, name);
}

absl::StatusOr<Value> GetItem(const Value& value, const Value& key) {
  if (value.is(Kind::kUndefined)) return Wrong(value.missing(), "a value with items");
  absl::StatusOr<std::optional<Value>> found = PythonItem(value, key);
  if (found.ok() && !*found && key.is(Kind::kString)) found = PythonAttribute(value, key.text());
  RETURN_IF_ERROR(found.status());
  if (*found) return **found;
  return Missing(value, key.is(Kind::kString) ? key.text()
                        : key.is_integral()   ? absl::StrCat(key.integer())
                                              : key.TypeName());
}

absl::StatusOr<Value> GetSlice(const Value& value, const Value& start, const Value& stop,
                               const Value& step) {
  if (value.is(Kind::kUndefined)) return Wrong(value.missing(), "a value with items");
  std::optional<int64_t> bounds[3];
  const Value* given[3] = {&start, &stop, &step};
  for (int i = 0; i < 3; ++i) {
    if (given[i]->is(Kind::kNone)) continue;
    if (!given[i]->is_integral()) return Missing(value, "slice");
    bounds[i] = given[i]->integer();
  }
  const bool has_items = value.is_sequence() && !value.is(Kind::kView);
  if (!has_items && !value.is(Kind::kString)) return Missing(value, "slice");
  if (bounds[2] == 0) return Wrong("a slice with step 0", "another step");
  if (has_items) {
    std::vector<Value> items;
    for (const size_t i :
         SlicePositions(bounds[0], bounds[1], bounds[2].value_or(1), value.items().size())) {
      items.push_back(value.items()[i]);
    }
    return Value::Sequence(value.kind(), std::move(items));
  }
  ASSIGN_OR_RETURN(const std::string text, TextOf(value));
  const std::vector<size_t> offsets = CharacterOffsets(text);
  std::string part;
  for (const size_t i :
       SlicePositions(bounds[0], bounds[1], bounds[2].value_or(1), offsets.size() - 1)) {
    part.append(text, offsets[i], offsets[i + 1] - offsets[i]);
  }
  return Value::String(std::move(part));
}

}  // namespace deduce::jinja
