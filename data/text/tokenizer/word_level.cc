#include "data/text/tokenizer/word_level.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/text/tokenizer/byte_level.h"
#include "data/text/tokenizer/json_fields.h"

namespace deduce {

absl::StatusOr<WordLevelModel> WordLevelModel::FromJson(
    const nlohmann::json& json, const std::string& where,
    std::shared_ptr<const Vocabulary> vocabulary, bool byte_level) {
  WordLevelModel model;
  model.vocabulary_ = std::move(vocabulary);
  model.byte_level_ = byte_level;
  JsonFields fields(json, where, "model");
  fields.Find("type");
  fields.Find("vocab");
  if (const std::optional<std::string> unk = fields.OptionalText("unk_token")) {
    model.unk_id_ = model.vocabulary_->Find(*unk);
    if (!model.unk_id_) fields.Refuse("unk_token", "a token of model.vocab");
  }
  RETURN_IF_ERROR(fields.Done());
  return model;
}

absl::Status WordLevelModel::Encode(std::span<const std::string_view> pieces,
                                    std::vector<int32_t>& ids) const {
  for (const std::string_view piece : pieces) {
    const std::optional<int32_t> id =
        byte_level_ ? vocabulary_->Find(BytesToCharacters(piece)) : vocabulary_->Find(piece);
    if (!id && !unk_id_) {
      return absl::InvalidArgumentError(
          absl::StrCat("the text: found ", ShownText(piece),
                       ", expected a token of the vocabulary (it has no unknown token)"));
    }
    ids.push_back(id ? *id : *unk_id_);
  }
  return absl::OkStatus();
}

}  // namespace deduce
