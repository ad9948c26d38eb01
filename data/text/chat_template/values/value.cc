#include "data/text/chat_template/values/value.h"

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/text/utf8.h"

namespace deduce::jinja {
namespace {

// Deeper than any container may be: what may not be put into one.
constexpr int kUnstorable = 1000;

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

template <typename T>
std::shared_ptr<void> Share(T value) {
  return std::make_shared<T>(std::move(value));
}

absl::StatusOr<std::vector<Value>> Characters(const std::string& text) {
  RETURN_IF_ERROR(CheckTextSize(text.size() * sizeof(Value)));
  std::vector<Value> characters;
  for (size_t i = 0; i < text.size();) {
    const size_t length = CharacterLength(text, i);
    characters.push_back(Value::String(text.substr(i, length)));
    i += length;
  }
  return characters;
}

bool EqualItems(const std::vector<Value>& a, const std::vector<Value>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!Equal(a[i], b[i])) return false;
  }
  return true;
}

bool EqualEntries(const Entries& a, const Entries& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [key, value] : a) {
    const Value* other = FindKey(b, key);
    if (!other || !Equal(value, *other)) return false;
  }
  return true;
}

bool EqualNumbers(const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) return a.integer() == b.integer();
  if (!a.is(Kind::kFloat) || !b.is(Kind::kFloat)) {
    // Exactly, as Python does: 2^53 + 1 is no double.
    const int64_t integer = a.is_integral() ? a.integer() : b.integer();
    const double other = a.is_integral() ? b.number() : a.number();
    if (!(other >= -0x1p63 && other < 0x1p63)) return false;
    return static_cast<double>(static_cast<int64_t>(other)) == other &&
           static_cast<int64_t>(other) == integer;
  }
  return a.number() == b.number();
}

bool IsHashable(const Value& value) {
  if (value.is(Kind::kTuple)) {
    for (const Value& item : value.items()) {
      if (!IsHashable(item)) return false;
    }
    return true;
  }
  return value.is_number() || value.is(Kind::kNone) || value.is(Kind::kString) ||
         value.is(Kind::kUndefined);
}

}  // namespace

Value Value::Undefined(std::string what) {
  Value value;
  value.object_ = Share(std::move(what));
  return value;
}

Value Value::None() {
  Value value;
  value.kind_ = Kind::kNone;
  return value;
}

Value Value::Bool(bool flag) {
  Value value;
  value.kind_ = Kind::kBool;
  value.int_ = flag;
  return value;
}

Value Value::Int(int64_t number) {
  Value value;
  value.kind_ = Kind::kInt;
  value.int_ = number;
  return value;
}

Value Value::Float(double number) {
  Value value;
  value.kind_ = Kind::kFloat;
  value.float_ = number;
  return value;
}

Value Value::String(std::string text) {
  Value value;
  value.kind_ = Kind::kString;
  value.weight_ = text.size() + 1;
  value.object_ = Share(std::move(text));
  return value;
}

Value Value::Markup(std::string text) {
  Value value = String(std::move(text));
  value.markup_ = true;
  return value;
}

void Value::Holds(const Value& part) {
  nesting_ = std::max(nesting_, part.nesting_ + 1);
  weight_ = std::min<uint64_t>(weight_ + sizeof(Value) + part.weight_, uint64_t{1} << 62);
}

Value Value::Sequence(Kind kind, std::vector<Value> items) {
  Value value;
  value.kind_ = kind;
  for (const Value& item : items) value.Holds(item);
  value.object_ = Share(std::move(items));
  return value;
}

Value Value::Dict(Entries entries) {
  Value value;
  value.kind_ = Kind::kDict;
  for (const auto& [key, item] : entries) {
    value.Holds(key);
    value.Holds(item);
  }
  value.object_ = Share(std::move(entries));
  return value;
}

Value Value::Generator(std::vector<Value> items) {
  Value value;
  value.kind_ = Kind::kIterator;
  for (const Value& item : items) value.Holds(item);
  value.object_ = Share(Iterator{std::move(items)});
  return value;
}

Value Value::Unstorable(Kind kind, std::shared_ptr<void> object) {
  Value value;
  value.kind_ = kind;
  value.nesting_ = kUnstorable;
  value.object_ = std::move(object);
  return value;
}

Value Value::Namespace(Attributes attributes) {
  return Unstorable(Kind::kNamespace, Share(std::move(attributes)));
}

Value Value::Callable(Function function) {
  return Unstorable(Kind::kFunction, Share(std::move(function)));
}

Value Value::LoopState(std::shared_ptr<Loop> loop) {
  return Unstorable(Kind::kLoop, std::move(loop));
}

bool Value::is_sequence() const {
  return is(Kind::kList) || is(Kind::kTuple) || is(Kind::kRange) || is(Kind::kView);
}

double Value::number() const { return is(Kind::kFloat) ? float_ : static_cast<double>(int_); }
Iterator& Value::iterator() const { return *As<Iterator>(); }
Attributes& Value::attributes() const { return *As<Attributes>(); }
const Function& Value::function() const { return *As<Function>(); }
Loop& Value::loop() const { return *As<Loop>(); }

const std::string& Value::missing() const {
  static const std::string& nameless = *new std::string("a value is undefined");
  return object_ ? *As<std::string>() : nameless;
}

bool Value::Truthy() const {
  switch (kind_) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kInt:
      return int_ != 0;
    case Kind::kFloat:
      return float_ != 0;
    case Kind::kString:
      return !text().empty();
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kRange:
    case Kind::kView:
      return !items().empty();
    case Kind::kDict:
      return !entries().empty();
    case Kind::kLoop:
      return !loop().items.empty();
    default:
      return true;
  }
}

const char* Value::TypeName() const {
  constexpr const char* kNames[] = {
      "an undefined value", "None",        "a bool",      "an int",     "a float",
      "a string",           "a list",      "a tuple",     "a dict",     "a range",
      "a view of a dict",   "a generator", "a namespace", "a function", "a loop"};
  return kNames[static_cast<int>(kind_)];
}

bool Equal(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return EqualNumbers(a, b);
  if (a.kind() != b.kind()) return false;
  if (a.SameObject(b)) return true;
  switch (a.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kString:
      return a.text() == b.text();
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kRange:
      return EqualItems(a.items(), b.items());
    case Kind::kDict:
      return EqualEntries(a.entries(), b.entries());
    default:
      return false;
  }
}

const Value* FindKey(const Entries& entries, const Value& key) {
  for (const auto& [name, value] : entries) {
    if (Equal(name, key)) return &value;
  }
  return nullptr;
}

const Value* FindKey(const Entries& entries, std::string_view key) {
  for (const auto& [name, value] : entries) {
    if (name.is(Kind::kString) && name.text() == key) return &value;
  }
  return nullptr;
}

absl::Status SetKey(Entries& entries, const Value& key, const Value& value) {
  if (!IsHashable(key)) {
    return Wrong(absl::StrCat(key.TypeName(), " as the key of a dict"), "a hashable value");
  }
  for (auto& [name, old] : entries) {
    if (Equal(name, key)) {
      old = value;
      return absl::OkStatus();
    }
  }
  entries.emplace_back(key, value);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Value>> Iterate(const Value& value) {
  if (value.is_sequence()) return value.items();
  if (value.is(Kind::kUndefined)) return std::vector<Value>();
  if (value.is(Kind::kString)) return Characters(value.text());
  if (value.is(Kind::kDict)) {
    std::vector<Value> keys;
    for (const auto& [key, _] : value.entries()) keys.push_back(key);
    return keys;
  }
  if (value.is(Kind::kIterator)) {
    Iterator& iterator = value.iterator();
    if (iterator.busy) return Unsupported("a generator that a loop is in the middle of");
    std::vector<Value> rest(iterator.items.begin() + iterator.next, iterator.items.end());
    iterator.next = iterator.items.size();
    return rest;
  }
  if (value.is(Kind::kLoop)) return Unsupported("going through the loop object");
  return Wrong(value.TypeName(), "something to go through");
}

absl::StatusOr<int64_t> Length(const Value& value) {
  if (value.is_sequence()) return value.items().size();
  if (value.is(Kind::kUndefined)) return 0;
  if (value.is(Kind::kDict)) return value.entries().size();
  if (value.is(Kind::kLoop)) return value.loop().items.size();
  if (value.is(Kind::kString)) {
    int64_t length = 0;
    for (const char byte : value.text()) length += (static_cast<uint8_t>(byte) & 0xc0) != 0x80;
    return length;
  }
  return Wrong(value.TypeName(), "something with a length");
}

absl::Status Wrong(std::string_view found, std::string_view expected) {
  return absl::InvalidArgumentError(
      absl::StrCat("found ", View(found), ", expected ", View(expected)));
}

absl::Status Unsupported(std::string_view construct) {
  return Wrong(construct, "a supported construct");
}

absl::Status CheckTextSize(uint64_t bytes) {
  if (bytes <= kMaxText) return absl::OkStatus();
  return Wrong(absl::StrCat("a text of ", bytes, " bytes"), absl::StrCat("at most ", kMaxText));
}

}  // namespace deduce::jinja
