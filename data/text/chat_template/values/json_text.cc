#include "data/text/chat_template/values/json_text.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "configs/status.h"
#include "data/text/chat_template/values/python_repr.h"
#include "data/text/chat_template/values/python_text.h"
#include "data/text/utf8.h"

namespace deduce::jinja {
namespace {

using OrderedJson = nlohmann::ordered_json;

absl::StatusOr<Value> Read(const OrderedJson& json, int nesting);

absl::StatusOr<std::string> ReadText(const std::string& text) {
  if (const auto bad = FindInvalidUtf8(text)) {
    return Wrong(
        absl::StrFormat("the byte 0x%02x in a string", static_cast<unsigned char>(text[*bad])),
        "UTF-8");
  }
  return text;
}

absl::StatusOr<Value> ReadObject(const OrderedJson& json, int nesting) {
  Entries entries;
  for (const auto& [name, item] : json.items()) {
    ASSIGN_OR_RETURN(const std::string key, ReadText(name));
    ASSIGN_OR_RETURN(const Value value, Read(item, nesting + 1));
    entries.emplace_back(Value::String(key), value);
  }
  return Value::Dict(std::move(entries));
}

absl::StatusOr<Value> Read(const OrderedJson& json, int nesting) {
  if (nesting > kMaxNesting)
    return Wrong("deeply nested JSON", absl::StrCat("at most ", kMaxNesting, " levels"));
  switch (json.type()) {
    case OrderedJson::value_t::null:
      return Value::None();
    case OrderedJson::value_t::boolean:
      return Value::Bool(json.get<bool>());
    case OrderedJson::value_t::number_unsigned:
      if (json.get<uint64_t>() > uint64_t{INT64_MAX}) {
        return Wrong(absl::StrCat("the integer ", json.get<uint64_t>()), "one of 64 bits");
      }
      return Value::Int(json.get<int64_t>());
    case OrderedJson::value_t::number_integer:
      return Value::Int(json.get<int64_t>());
    case OrderedJson::value_t::number_float:
      return Value::Float(json.get<double>());
    case OrderedJson::value_t::string: {
      ASSIGN_OR_RETURN(std::string text, ReadText(json.get_ref<const std::string&>()));
      return Value::String(std::move(text));
    }
    case OrderedJson::value_t::array: {
      std::vector<Value> items;
      for (const OrderedJson& item : json) {
        ASSIGN_OR_RETURN(items.emplace_back(), Read(item, nesting + 1));
      }
      return Value::List(std::move(items));
    }
    case OrderedJson::value_t::object:
      return ReadObject(json, nesting);
    default:
      return Wrong(json.type_name(), "a JSON value");
  }
}

class JsonWriter {
 public:
  explicit JsonWriter(const JsonStyle& style)
      : style_(style),
        item_separator_(style.item_separator.value_or(style.indent ? "," : ", ")),
        key_separator_(style.key_separator.value_or(": ")) {}

  absl::Status Write(const Value& value) {
    RETURN_IF_ERROR(CheckTextSize(text_.size()));
    switch (value.kind()) {
      case Kind::kNone:
        text_ += "null";
        return absl::OkStatus();
      case Kind::kBool:
        text_ += value.Truthy() ? "true" : "false";
        return absl::OkStatus();
      case Kind::kInt:
        absl::StrAppend(&text_, value.integer());
        return absl::OkStatus();
      case Kind::kFloat:
        text_ += FloatText(value.number());
        return absl::OkStatus();
      case Kind::kString:
        WriteString(value.text());
        return absl::OkStatus();
      case Kind::kList:
      case Kind::kTuple:
        return WriteList(value.items());
      case Kind::kDict:
        return WriteDict(value.entries());
      default:
        return Wrong(absl::StrCat(value.TypeName(), " under tojson"), "a value that JSON has");
    }
  }

  std::string text_;

 private:
  static std::string FloatText(double number) {
    if (std::isnan(number)) return "NaN";
    if (std::isinf(number)) return number < 0 ? "-Infinity" : "Infinity";
    return FloatRepr(number);
  }

  void WriteString(const std::string& text) {
    text_ += '"';
    for (size_t i = 0; i < text.size(); i += CharacterLength(text, i)) WriteCharacter(text, i);
    text_ += '"';
  }

  void WriteCharacter(const std::string& text, size_t i) {
    constexpr std::string_view kShort = "\"\\\n\r\t\f\b", kLetters = "\"\\nrtfb";
    const char32_t c = CodePoint(text, i);
    if (c < 0x80 && kShort.find(text[i]) != kShort.npos) {
      text_.append({'\\', kLetters[kShort.find(text[i])]});
    } else if (c < 0x20 || (style_.ensure_ascii && c > 0x7e && c < 0x10000)) {
      absl::StrAppendFormat(&text_, "\\u%04x", static_cast<uint32_t>(c));
    } else if (style_.ensure_ascii && c >= 0x10000) {
      const uint32_t rest = c - 0x10000;
      absl::StrAppendFormat(&text_, "\\u%04x\\u%04x", 0xd800 | rest >> 10, 0xdc00 | (rest & 0x3ff));
    } else {
      text_.append(text, i, CharacterLength(text, i));
    }
  }

  void BreakLine() {
    if (!style_.indent) return;
    text_ += '\n';
    for (int i = 0; i < level_; ++i) text_ += *style_.indent;
  }

  absl::Status WriteList(const std::vector<Value>& items) {
    text_ += '[';
    ++level_;
    for (const Value& item : items) {
      if (&item != &items.front()) text_ += item_separator_;
      BreakLine();
      RETURN_IF_ERROR(Write(item));
    }
    --level_;
    if (!items.empty()) BreakLine();
    text_ += ']';
    return absl::OkStatus();
  }

  absl::Status WriteDict(Entries entries) {
    if (style_.sort_keys) {
      for (const auto& [key, _] : entries) {
        if (!key.is(Kind::kString))
          return Unsupported("tojson(sort_keys=true) of keys that are no strings");
      }
      std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
        return a.first.text() < b.first.text();
      });
    }
    text_ += '{';
    ++level_;
    for (const auto& [key, value] : entries) {
      if (&key != &entries.front().first) text_ += item_separator_;
      BreakLine();
      RETURN_IF_ERROR(WriteKey(key));
      text_ += key_separator_;
      RETURN_IF_ERROR(Write(value));
    }
    --level_;
    if (!entries.empty()) BreakLine();
    text_ += '}';
    return absl::OkStatus();
  }

  // Numbers, true, false and null become strings.
  absl::Status WriteKey(const Value& key) {
    if (key.is(Kind::kString)) return Write(key);
    if (!key.is_number() && !key.is(Kind::kNone)) {
      return Wrong(absl::StrCat(key.TypeName(), " as a key under tojson"), "a string or a number");
    }
    text_ += '"';
    RETURN_IF_ERROR(Write(key));
    text_ += '"';
    return absl::OkStatus();
  }

  const JsonStyle& style_;
  const std::string item_separator_, key_separator_;
  int level_ = 0;
};

}  // namespace

absl::StatusOr<Value> FromJson(const OrderedJson& json) { return Read(json, 0); }

absl::StatusOr<std::string> ToJson(const Value& value, const JsonStyle& style) {
  JsonWriter writer(style);
  RETURN_IF_ERROR(writer.Write(value));
  RETURN_IF_ERROR(CheckTextSize(writer.text_.size()));
  return std::move(writer.text_);
}

}  // namespace deduce::jinja
