#include "data/text/tokenizer/vocabulary.h"

#include "absl/strings/str_cat.h"
#include "data/text/tokenizer/json_fields.h"

namespace deduce {

absl::StatusOr<Vocabulary> Vocabulary::FromJson(const nlohmann::json& value,
                                                const std::string& where) {
  constexpr char kField[] = "model.vocab";
  if (!value.is_object() || value.empty()) {
    return WrongField(where, kField, ShownJson(&value), "an object of tokens and ids");
  }
  const auto count = static_cast<int64_t>(value.size());
  Vocabulary vocabulary;
  vocabulary.texts_.resize(count);
  vocabulary.ids_.reserve(count);
  std::vector<bool> taken(count);
  for (const auto& [text, number] : value.items()) {
    // Unsigned numbers above the range of int64 come out negative, and are refused as well.
    const int64_t id = number.is_number_integer() ? number.get<int64_t>() : int64_t{-1};
    if (id < 0 || id >= count) {
      return WrongField(where, absl::StrCat(kField, "[", ShownText(text), "]"), ShownJson(&number),
                        absl::StrCat("an id from 0 to ", count - 1, ", as there are ", count,
                                     " tokens and every id has one"));
    }
    if (taken[id]) {
      return WrongField(where, kField,
                        absl::StrCat("id ", id, " of both ", ShownText(vocabulary.texts_[id]),
                                     " and ", ShownText(text)),
                        "every id once");
    }
    taken[id] = true;
    vocabulary.texts_[id] = text;
    vocabulary.ids_.emplace(text, static_cast<int32_t>(id));
  }
  return vocabulary;
}

std::optional<int32_t> Vocabulary::Find(std::string_view text) const {
  const auto it = ids_.find(absl::string_view(text.data(), text.size()));
  if (it == ids_.end()) return std::nullopt;
  return it->second;
}

}  // namespace deduce
