#include "data/text/chat_template/globals.h"

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/text/chat_template/values/python_repr.h"

namespace deduce::jinja {
namespace {

constexpr int64_t kMaxRange = 100000;  // that of Jinja's sandbox

absl::StatusOr<Value> RaiseException(const Arguments& arguments, std::time_t) {
  ASSIGN_OR_RETURN(const Bound bound, Bind(arguments, {"message"}, 1));
  ASSIGN_OR_RETURN(const std::string message, Str(*bound[0]));
  return Wrong(absl::StrCat("a conversation that the template refuses (",
                            absl::Utf8SafeCEscape(message), ")"),
               "another one");
}

absl::StatusOr<Value> StrftimeNow(const Arguments& arguments, std::time_t now) {
  ASSIGN_OR_RETURN(const Bound bound, Bind(arguments, {"format"}, 1));
  ASSIGN_OR_RETURN(const std::string format, TextOf(*bound[0]));
  if (format.size() > 1000) return Wrong("a longer format of strftime_now", "at most 1000 bytes");
  for (const char* own :
       {"%f", "%z", "%Z", "%:"}) {  // which Python does not leave to the C library
    if (absl::StrContains(format, own)) return Unsupported(absl::StrCat("strftime_now with ", own));
  }
  std::tm local = {};
  localtime_r(&now, &local);
  std::string text(16 * format.size() + 64, '\0');
  text.resize(std::strftime(text.data(), text.size(), format.c_str(), &local));
  return Value::String(std::move(text));
}

absl::StatusOr<Value> Range(const Arguments& arguments, std::time_t) {
  if (!arguments.named.empty()) return Wrong("range with names", "numbers only");
  int64_t bounds[3] = {0, 0, 1};
  const size_t count = arguments.positional.size();
  if (count < 1 || count > 3) return Wrong(absl::StrCat(count, " arguments of range"), "1 to 3");
  for (size_t i = 0; i < count; ++i) {
    if (!arguments.positional[i].is_integral())
      return Wrong(arguments.positional[i].TypeName(), "an int");
    bounds[count == 1 ? 1 : i] = arguments.positional[i].integer();
  }
  const auto [start, stop, step] = bounds;
  if (step == 0) return Wrong("a range with step 0", "another step");
  std::vector<Value> items;
  for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (static_cast<int64_t>(items.size()) == kMaxRange) {
      return Wrong("a longer range", absl::StrCat("at most ", kMaxRange, " numbers"));
    }
    items.push_back(Value::Int(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return Value::Sequence(Kind::kRange, std::move(items));
}

// The entries of dict(...) and namespace(...): those of a dict given first, then those given by
// name.
absl::StatusOr<Entries> Collect(const Arguments& arguments) {
  Entries entries;
  if (arguments.positional.size() > 1) return Wrong("several arguments", "at most one dict");
  if (!arguments.positional.empty()) {
    if (!arguments.positional[0].is(Kind::kDict))
      return Unsupported("dict or namespace of something but a dict");
    entries = arguments.positional[0].entries();
  }
  for (const auto& [name, value] : arguments.named) {
    RETURN_IF_ERROR(SetKey(entries, Value::String(name), value));
  }
  return entries;
}

absl::StatusOr<Value> Dict(const Arguments& arguments, std::time_t) {
  ASSIGN_OR_RETURN(Entries entries, Collect(arguments));
  return Value::Dict(std::move(entries));
}

absl::StatusOr<Value> Namespace(const Arguments& arguments, std::time_t) {
  ASSIGN_OR_RETURN(const Entries entries, Collect(arguments));
  Attributes attributes;
  for (const auto& [key, value] : entries) {
    ASSIGN_OR_RETURN(const std::string name, TextOf(key));
    if (absl::StartsWith(name, "_"))
      return Wrong(absl::StrCat("the attribute ", name), "no _ in front");
    if (value.nesting() > kMaxNesting) {
      return Unsupported(absl::StrCat(value.TypeName(), " in a namespace"));
    }
    attributes[name] = value;
  }
  return Value::Namespace(std::move(attributes));
}

absl::StatusOr<Value> NotBuilt(const Arguments&, std::time_t) {
  return Unsupported("calling lipsum, cycler or joiner");
}

struct Global {
  const char* name;
  absl::StatusOr<Value> (*call)(const Arguments&, std::time_t);
};

constexpr Global kGlobals[] = {{"raise_exception", RaiseException},
                               {"strftime_now", StrftimeNow},
                               {"range", Range},
                               {"dict", Dict},
                               {"namespace", Namespace},
                               {"lipsum", NotBuilt},
                               {"cycler", NotBuilt},
                               {"joiner", NotBuilt}};

}  // namespace

std::optional<Value> FindGlobal(const std::string& name) {
  for (const Global& global : kGlobals) {
    if (name == global.name) return Value::Callable({name});
  }
  return std::nullopt;
}

absl::StatusOr<Value> CallGlobal(const std::string& name, const Arguments& arguments,
                                 std::time_t now) {
  for (const Global& global : kGlobals) {
    if (name == global.name) return global.call(arguments, now);
  }
  return Unsupported(absl::StrCat("calling ", name));
}

}  // namespace deduce::jinja
