#include "data/text/chat_template/sequence_filters.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "configs/status.h"
#include "data/text/chat_template/filter_table.h"
#include "data/text/chat_template/values/operators.h"
#include "data/text/chat_template/values/python_repr.h"
#include "data/text/chat_template/values/python_text.h"
#include "data/text/chat_template/values/subscript.h"

namespace deduce::jinja {
namespace {

absl::StatusOr<Value> LengthFilter(const Value& input, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}, 0).status());
  ASSIGN_OR_RETURN(const int64_t length, Length(input));
  return Value::Int(length);
}

absl::StatusOr<Value> ListFilter(const Value& input, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}, 0).status());
  if (input.is_markup()) return Unsupported("the characters of a string marked safe");
  ASSIGN_OR_RETURN(std::vector<Value> items, Iterate(input));
  return Value::List(std::move(items));
}

absl::StatusOr<Value> First(const Value& input, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}, 0).status());
  if (input.is(Kind::kIterator) && !input.iterator().busy) {
    Iterator& iterator = input.iterator();
    if (iterator.next < iterator.items.size()) return iterator.items[iterator.next++];
  }
  ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(input));
  return items.empty() ? Value::Undefined("no first item") : items.front();
}

absl::StatusOr<Value> Last(const Value& input, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}, 0).status());
  if (input.is(Kind::kIterator)) return Wrong("a generator", "a sequence that has a last item");
  ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(input));
  return items.empty() ? Value::Undefined("no last item") : items.back();
}

absl::StatusOr<Value> Join(const Value& input, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Bound bound, Bind(arguments, {"d", "attribute"}, 0));
  std::string separator;
  if (bound[0]) {
    ASSIGN_OR_RETURN(separator, Str(*bound[0]));
  }
  ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(input));
  std::string result;
  for (const Value& item : items) {
    ASSIGN_OR_RETURN(const Value part, AtPath(item, bound[1].value_or(Value::None())));
    ASSIGN_OR_RETURN(const std::string text, Str(part));
    absl::StrAppend(&result, &item == &items.front() ? "" : separator, text);
    RETURN_IF_ERROR(CheckTextSize(result.size()));
  }
  return Value::String(std::move(result));
}

absl::StatusOr<Value> Reverse(const Value& input, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}, 0).status());
  if (input.is(Kind::kString)) {
    return GetSlice(input, Value::None(), Value::None(), Value::Int(-1));
  }
  ASSIGN_OR_RETURN(std::vector<Value> items, Iterate(input));
  std::reverse(items.begin(), items.end());
  if (input.is(Kind::kIterator)) return Value::List(std::move(items));
  return Value::Generator(std::move(items));
}

absl::StatusOr<Value> Items(const Value& input, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}, 0).status());
  std::vector<Value> items;
  if (input.is(Kind::kUndefined)) return Value::Generator({});
  if (!input.is(Kind::kDict))
    return Wrong(absl::StrCat(input.TypeName(), " under items"), "a dict");
  for (const auto& [key, value] : input.entries()) {
    items.push_back(Value::Sequence(Kind::kTuple, {key, value}));
  }
  return Value::Generator(std::move(items));
}

// The key that strings are compared by where their case does not matter.
absl::StatusOr<Value> IgnoreCase(const Value& value, bool case_sensitive) {
  if (case_sensitive || !value.is(Kind::kString)) return value;
  ASSIGN_OR_RETURN(const std::string text, TextOf(value));
  ASSIGN_OR_RETURN(std::string lower, ChangeCase(text, Case::kLower));
  return Value::String(std::move(lower));
}

// `items` in the order of `keys`, equal ones as they stand.
absl::StatusOr<Value> Sorted(const std::vector<Value>& items, const std::vector<Value>& keys,
                             bool reverse) {
  std::vector<size_t> order(items.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  absl::Status status;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const absl::StatusOr<bool> less = reverse ? Less(keys[b], keys[a]) : Less(keys[a], keys[b]);
    if (!less.ok()) status.Update(less.status());
    return less.ok() && *less;
  });
  RETURN_IF_ERROR(status);
  std::vector<Value> sorted;
  for (const size_t i : order) sorted.push_back(items[i]);
  return Value::List(std::move(sorted));
}

absl::StatusOr<Value> Sort(const Value& input, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Bound bound,
                   Bind(arguments, {"reverse", "case_sensitive", "attribute"}, 0));
  const Value path = bound[2].value_or(Value::None());
  if (path.is(Kind::kString) && path.text().find(',') != std::string::npos) {
    return Unsupported("the filter sort by several attributes");
  }
  ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(input));
  std::vector<Value> keys;
  for (const Value& item : items) {
    ASSIGN_OR_RETURN(const Value key, AtPath(item, path));
    ASSIGN_OR_RETURN(keys.emplace_back(), IgnoreCase(key, bound[1] && bound[1]->Truthy()));
  }
  return Sorted(items, keys, bound[0] && bound[0]->Truthy());
}

absl::StatusOr<Value> DictSort(const Value& input, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Bound bound, Bind(arguments, {"case_sensitive", "by", "reverse"}, 0));
  std::string by = "key";
  if (bound[1]) {
    ASSIGN_OR_RETURN(by, TextOf(*bound[1]));
  }
  if (by != "key" && by != "value") return Wrong("another order of dictsort", "key or value");
  if (!input.is(Kind::kDict))
    return Wrong(absl::StrCat(input.TypeName(), " under dictsort"), "a dict");
  std::vector<Value> items, keys;
  for (const auto& [key, value] : input.entries()) {
    items.push_back(Value::Sequence(Kind::kTuple, {key, value}));
    ASSIGN_OR_RETURN(keys.emplace_back(),
                     IgnoreCase(by == "key" ? key : value, bound[0] && bound[0]->Truthy()));
  }
  return Sorted(items, keys, bound[2] && bound[2]->Truthy());
}

absl::StatusOr<Value> Unique(const Value& input, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Bound bound, Bind(arguments, {"case_sensitive", "attribute"}, 0));
  ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(input));
  Entries seen;
  std::vector<Value> unique;
  for (const Value& item : items) {
    ASSIGN_OR_RETURN(const Value part, AtPath(item, bound[1].value_or(Value::None())));
    ASSIGN_OR_RETURN(const Value key, IgnoreCase(part, bound[0] && bound[0]->Truthy()));
    const size_t size = seen.size();
    RETURN_IF_ERROR(SetKey(seen, key, Value::None()));
    if (seen.size() > size) unique.push_back(item);
  }
  return Value::Generator(std::move(unique));
}

absl::StatusOr<Value> Default(const Value& input, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Bound bound, Bind(arguments, {"default_value", "boolean"}, 0));
  const bool boolean = bound[1] && bound[1]->Truthy();
  if (!input.is(Kind::kUndefined) && !(boolean && !input.Truthy())) return input;
  return bound[0].value_or(Value::String(""));
}

}  // namespace

absl::StatusOr<Value> AtPath(const Value& value, const Value& path,
                             const std::optional<Value>& absent) {
  if (path.is(Kind::kNone)) return value;
  std::vector<Value> parts = {path};
  if (path.is(Kind::kString)) {
    parts.clear();
    for (const absl::string_view part : absl::StrSplit(path.text(), '.')) {
      int64_t index = 0;
      const bool is_index =
          part.find_first_not_of("0123456789") == part.npos && absl::SimpleAtoi(part, &index);
      parts.push_back(is_index ? Value::Int(index) : Value::String(std::string(part)));
    }
  }
  Value found = value;
  for (const Value& part : parts) {
    ASSIGN_OR_RETURN(found, GetItem(found, part));
    if (found.is(Kind::kUndefined) && absent && !absent->is(Kind::kNone)) found = *absent;
  }
  return found;
}

absl::StatusOr<std::optional<Value>> ApplySequenceFilter(const std::string& name,
                                                         const Value& input,
                                                         const Arguments& arguments) {
  static constexpr NamedFilter kFilters[] = {{"length", LengthFilter},
                                             {"count", LengthFilter},
                                             {"list", ListFilter},
                                             {"first", First},
                                             {"last", Last},
                                             {"join", Join},
                                             {"reverse", Reverse},
                                             {"items", Items},
                                             {"sort", Sort},
                                             {"dictsort", DictSort},
                                             {"unique", Unique},
                                             {"default", Default},
                                             {"d", Default}};
  return ApplyFrom(kFilters, name, input, arguments);
}

}  // namespace deduce::jinja
