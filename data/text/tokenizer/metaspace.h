// The settings of "Metaspace", which is both a pre-tokenizer and a decoder: spaces as a character.
#pragma once

#include <string>

#include "data/text/tokenizer/json_fields.h"

namespace deduce {

struct MetaspaceSettings {
  enum Prepend { kAlways, kFirst, kNever };

  std::string replacement;  // one character, usually U+2581
  Prepend prepend = kAlways;
  bool split = true;
};

// Reads what `fields` hold besides "type"; what is wrong is remembered there.
MetaspaceSettings ReadMetaspace(JsonFields& fields);

// `text` with `to` in place of every `from`, which is not empty.
std::string ReplaceText(std::string_view text, std::string_view from, std::string_view to);

}  // namespace deduce
