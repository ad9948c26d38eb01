#include "data/text/tokenizer/post_processor.h"

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/text/tokenizer/json_fields.h"

namespace deduce {
namespace {

using Json = nlohmann::json;
using SpecialIds = std::map<std::string, std::vector<int32_t>>;

// "special_tokens" of a template: names and the ids they stand for.
absl::StatusOr<SpecialIds> ReadSpecialIds(const Json& value, const std::string& where,
                                          const std::string& path, int64_t num_tokens) {
  SpecialIds special;
  for (const auto& [name, entry] : value.items()) {
    JsonFields fields(entry, where, absl::StrCat(path, "[", ShownText(name), "]"));
    fields.Text("id");
    fields.Array("tokens");
    for (const Json& id : fields.Array("ids")) {
      const int64_t number = id.is_number_integer() ? id.get<int64_t>() : int64_t{-1};
      const bool is_id = number >= 0 && number < num_tokens;
      if (!is_id) fields.Refuse("ids", absl::StrCat("ids below ", num_tokens));
      if (is_id) special[name].push_back(id.get<int32_t>());
    }
    RETURN_IF_ERROR(fields.Done());
  }
  return special;
}

// One part of a template: {"Sequence": {"id": "A", ...}} or {"SpecialToken": {"id": NAME, ...}}.
struct TemplatePart {
  bool is_text = false;
  std::vector<int32_t> ids;
};

absl::StatusOr<TemplatePart> ReadTemplatePart(const Json& value, const std::string& where,
                                              const std::string& path, const SpecialIds& special) {
  JsonFields fields(value, where, path);
  TemplatePart part;
  part.is_text = fields.Find("Sequence") != nullptr;
  const char* kind = part.is_text ? "Sequence" : "SpecialToken";
  JsonFields inner(fields.Object(kind), where, fields.PathOf(kind));
  RETURN_IF_ERROR(fields.Done());
  const std::string id = inner.Text("id");
  inner.Number("type_id", INT32_MAX);
  if (part.is_text) {
    if (id != "A") inner.Refuse("id", "\"A\", the only text there is");
  } else if (const auto it = special.find(id); it != special.end()) {
    part.ids = it->second;
  } else {
    inner.Refuse("id", "a key of special_tokens");
  }
  RETURN_IF_ERROR(inner.Done());
  return part;
}

}  // namespace

absl::StatusOr<PostProcessor> PostProcessor::FromJson(const Json* value, const std::string& where,
                                                      int64_t num_tokens) {
  PostProcessor processor;
  if (value != nullptr) {
    RETURN_IF_ERROR(processor.Read(*value, where, "post_processor", num_tokens));
  }
  return processor;
}

absl::Status PostProcessor::Read(const Json& value, const std::string& where,
                                 const std::string& path, int64_t num_tokens) {
  JsonFields fields(value, where, path);
  const std::string type = fields.Text("type");
  if (type == "ByteLevel") {  // moves offsets, which we do not have
    fields.Flag("add_prefix_space", true);
    fields.Flag("trim_offsets", true);
    fields.Flag("use_regex", true);
  } else if (type == "Sequence") {
    const Json& parts = fields.Array("processors");
    for (size_t i = 0; i < parts.size(); ++i) {
      RETURN_IF_ERROR(Read(parts[i], where, absl::StrCat(fields.PathOf("processors"), "[", i, "]"),
                           num_tokens));
    }
  } else if (type == "TemplateProcessing") {
    fields.Array("pair");  // for two texts, which nothing here encodes
    ASSIGN_OR_RETURN(const SpecialIds special,
                     ReadSpecialIds(fields.Object("special_tokens"), where,
                                    fields.PathOf("special_tokens"), num_tokens));
    const Json& single = fields.Array("single");
    std::vector<int32_t> before, after;
    int texts = 0;
    for (size_t i = 0; i < single.size(); ++i) {
      ASSIGN_OR_RETURN(
          const TemplatePart part,
          ReadTemplatePart(single[i], where, absl::StrCat(fields.PathOf("single"), "[", i, "]"),
                           special));
      texts += part.is_text;
      std::vector<int32_t>& side = texts == 0 ? before : after;
      side.insert(side.end(), part.ids.begin(), part.ids.end());
    }
    if (texts != 1) fields.Refuse("single", "the text A once");
    before_.insert(before_.begin(), before.begin(), before.end());
    after_.insert(after_.end(), after.begin(), after.end());
  } else {
    fields.Refuse("type", "TemplateProcessing, ByteLevel or Sequence");
  }
  return fields.Done();
}

}  // namespace deduce
