// Values of a chat template: what Python objects are to Jinja, as far as templates can tell.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace deduce::jinja {

struct Statement;
class Frame;
struct Function;
struct Loop;
class Value;

// Insertion order, keys unique under Equal.
using Entries = std::vector<std::pair<Value, Value>>;
// The mutable object of `namespace(...)`.
using Attributes = std::map<std::string, Value, std::less<>>;
// A generator's remaining items. All values that name it share them; each is given once.
struct Iterator;

enum class Kind {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kList,
  kTuple,
  kDict,
  kRange,  // range(n): a sequence that is not a list
  kView,   // dict.keys(), .values(), .items(): sized, iterable, without subscripts
  kIterator,
  kNamespace,
  kFunction,
  kLoop,
};

// Levels of containers, at most, in what a template makes and is given.
inline constexpr int kMaxNesting = 100;

// Cheap to copy; all but namespaces, iterators and loops are immutable.
class Value {
 public:
  Value() = default;  // undefined
  // `what` says what is missing: "'x' is undefined".
  static Value Undefined(std::string what);
  static Value None();
  static Value Bool(bool value);
  static Value Int(int64_t value);
  static Value Float(double value);
  static Value String(std::string value);
  // A string that the filters `safe` and `escape` give: only printing and testing it is supported.
  static Value Markup(std::string value);
  // kind: kList, kTuple, kRange or kView.
  static Value Sequence(Kind kind, std::vector<Value> items);
  static Value List(std::vector<Value> items) { return Sequence(Kind::kList, std::move(items)); }
  static Value Dict(Entries entries);
  static Value Generator(std::vector<Value> items);
  static Value Namespace(Attributes attributes);
  static Value Callable(Function function);
  static Value LoopState(std::shared_ptr<Loop> loop);

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_markup() const { return markup_; }
  // bool, int or float.
  bool is_number() const { return is(Kind::kBool) || is(Kind::kInt) || is(Kind::kFloat); }
  // bool or int, which Python takes for one another.
  bool is_integral() const { return is(Kind::kBool) || is(Kind::kInt); }
  bool is_sequence() const;  // has items()

  // Each of these may be called for its own kinds only.
  int64_t integer() const { return int_; }                                       // kBool, kInt
  double number() const;                                                         // is_number()
  const std::string& text() const { return *As<std::string>(); }                 // kString
  const std::vector<Value>& items() const { return *As<std::vector<Value>>(); }  // is_sequence()
  const Entries& entries() const { return *As<Entries>(); }                      // kDict
  Iterator& iterator() const;                                                    // kIterator
  Attributes& attributes() const;                                                // kNamespace
  const Function& function() const;                                              // kFunction
  Loop& loop() const;                                                            // kLoop
  const std::string& missing() const;  // kUndefined: what is missing

  // Python's bool().
  bool Truthy() const;
  // The name of the Python type, for messages.
  const char* TypeName() const;
  // Whether both are the same object; for the kinds that are immutable, whether they share storage.
  bool SameObject(const Value& other) const { return object_ && object_ == other.object_; }

  // Levels of containers, and about the bytes of memory over all levels, counted once for each
  // mention.
  int nesting() const { return nesting_; }
  uint64_t weight() const { return weight_; }

 private:
  template <typename T>
  T* As() const {
    return static_cast<T*>(object_.get());
  }
  void Holds(const Value& part);
  // A value that no list or dict may hold.
  static Value Unstorable(Kind kind, std::shared_ptr<void> object);

  Kind kind_ = Kind::kUndefined;
  bool markup_ = false;
  int nesting_ = 0;
  int64_t int_ = 0;
  double float_ = 0;
  uint64_t weight_ = 1;
  std::shared_ptr<void> object_;
};

struct Iterator {
  std::vector<Value> items;
  size_t next = 0;
  bool busy = false;  // a loop is (or was, until `break`) in the middle of it
};

// Something a template can call.
struct Function {
  std::string name;
  Value receiver;  // a method's object; undefined for a macro or a global function
  bool is_method = false;
  const Statement* macro = nullptr;  // a macro, with the frame it was defined in
  Frame* frame = nullptr;
};

// The state behind the name `loop`.
struct Loop {
  std::vector<Value> items;
  size_t index0 = 0;
  int depth = 1;
};

// Python's ==. Functions, namespaces, iterators and loops equal themselves only.
bool Equal(const Value& a, const Value& b);
// The value under a key; null if there is none.
const Value* FindKey(const Entries& entries, const Value& key);
const Value* FindKey(const Entries& entries, std::string_view key);
// Sets or replaces a key. Error: a key that Python cannot hash.
absl::Status SetKey(Entries& entries, const Value& key, const Value& value);

// The items that `for` goes through: of a list, keys of a dict, characters of a string, the rest of
// an iterator (which is then used up), nothing for undefined. Error: not iterable, or an iterator
// that a loop has left half-way.
absl::StatusOr<std::vector<Value>> Iterate(const Value& value);

// Python's len(). Error: a value without one.
absl::StatusOr<int64_t> Length(const Value& value);

// The errors of this folder: InvalidArgument `found FOUND, expected EXPECTED`. The evaluator puts
// file and line in front.
absl::Status Wrong(std::string_view found, std::string_view expected);
// The same for what Jinja has and we have not: "found CONSTRUCT, expected a supported construct".
absl::Status Unsupported(std::string_view construct);

// Bytes, at most, of a string or a container that a template makes.
inline constexpr uint64_t kMaxText = uint64_t{1} << 26;
// Error if `bytes` is more than that.
absl::Status CheckTextSize(uint64_t bytes);

}  // namespace deduce::jinja
