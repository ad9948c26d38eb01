#include "data/text/tokenizer/metaspace.h"

#include <optional>

#include "data/text/utf8.h"

namespace deduce {

MetaspaceSettings ReadMetaspace(JsonFields& fields) {
  MetaspaceSettings settings;
  settings.replacement = fields.Text("replacement");
  const std::string_view mark = settings.replacement;
  if (mark.empty() || CharacterLength(mark, 0) != mark.size()) {
    fields.Refuse("replacement", "one character");
  }
  fields.OptionalText("str_rep");  // old files have it; it always equals the replacement
  const std::string scheme = fields.OptionalText("prepend_scheme").value_or("always");
  if (scheme != "always" && scheme != "first" && scheme != "never") {
    fields.Refuse("prepend_scheme", "always, first or never");
  }
  settings.prepend = scheme == "always"  ? MetaspaceSettings::kAlways
                     : scheme == "first" ? MetaspaceSettings::kFirst
                                         : MetaspaceSettings::kNever;
  const bool adds = fields.Flag("add_prefix_space", settings.prepend != MetaspaceSettings::kNever);
  if (!adds && settings.prepend != MetaspaceSettings::kNever) {
    fields.Refuse("add_prefix_space", "true, as prepend_scheme has it");
  }
  settings.split = fields.Flag("split", true);
  return settings;
}

std::string ReplaceText(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  size_t done = 0;
  for (size_t i = text.find(from); i != std::string_view::npos; i = text.find(from, done)) {
    result += text.substr(done, i - done);
    result += to;
    done = i + from.size();
  }
  result += text.substr(done);
  return result;
}

}  // namespace deduce
