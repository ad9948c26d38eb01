#include "data/text/tokenizer/bpe.h"

#include <functional>
#include <queue>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "configs/status.h"
#include "data/text/tokenizer/byte_level.h"
#include "data/text/tokenizer/json_fields.h"
#include "data/text/utf8.h"

namespace deduce {
namespace {

uint64_t PairKey(int32_t left, int32_t right) {
  return static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right);
}

// A token of the piece being merged; they form a list by position.
struct Symbol {
  int32_t id;              // -1: merged into one before
  int32_t previous, next;  // positions; -1 at the ends
};

struct Candidate {
  int32_t rank, position, id;
  // For a queue whose top is the lowest rank, then the leftmost.
  bool operator<(const Candidate& other) const {
    return std::pair(rank, position) > std::pair(other.rank, other.position);
  }
};

}  // namespace

absl::StatusOr<BpeModel> BpeModel::FromJson(const nlohmann::json& json, const std::string& where,
                                            std::shared_ptr<const Vocabulary> vocabulary,
                                            bool byte_level) {
  BpeModel model;
  model.vocabulary_ = std::move(vocabulary);
  model.byte_level_ = byte_level;
  JsonFields fields(json, where, "model");
  fields.Find("type");
  fields.Find("vocab");
  fields.ExpectUnsetOr("dropout", 0.0);
  fields.ExpectUnsetOr("continuing_subword_prefix", "");
  fields.ExpectUnsetOr("end_of_word_suffix", "");
  model.fuse_unk_ = fields.Flag("fuse_unk", false);
  model.byte_fallback_ = fields.Flag("byte_fallback", false);
  model.ignore_merges_ = fields.Flag("ignore_merges", false);
  const std::string unk = fields.OptionalText("unk_token").value_or("");
  model.unk_id_ = model.vocabulary_->Find(unk);
  // GPT-2's files have "" for none.
  if (!unk.empty() && !model.unk_id_) fields.Refuse("unk_token", "a token of model.vocab");
  RETURN_IF_ERROR(model.ReadMerges(fields.Array("merges"), where));
  RETURN_IF_ERROR(fields.Done());
  model.ReadBytes(byte_level);
  return model;
}

absl::Status BpeModel::ReadMerges(const nlohmann::json& merges, const std::string& where) {
  const bool pairs = !merges.empty() && merges[0].is_array();
  merges_.reserve(merges.size());
  for (size_t i = 0; i < merges.size(); ++i) {
    RETURN_IF_ERROR(ReadMerge(merges[i], pairs, static_cast<int32_t>(i), where));
  }
  return absl::OkStatus();
}

absl::Status BpeModel::ReadMerge(const nlohmann::json& merge, bool pairs, int32_t rank,
                                 const std::string& where) {
  const auto wrong = [&](const std::string& expected) {
    return WrongField(where, absl::StrCat("model.merges[", rank, "]"), ShownJson(&merge), expected);
  };
  std::string left, right;
  if (pairs) {
    if (!merge.is_array() || merge.size() != 2 || !merge[0].is_string() || !merge[1].is_string()) {
      return wrong("an array of two tokens, as the first merge is");
    }
    left = merge[0].get<std::string>();
    right = merge[1].get<std::string>();
  } else {
    const std::string line = merge.is_string() ? merge.get<std::string>() : "";
    if (line.starts_with("#version")) return absl::OkStatus();  // a line of old merges.txt files
    const size_t space = line.find(' ');
    if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos) {
      return wrong("a text of two tokens and a space between them");
    }
    left = line.substr(0, space);
    right = line.substr(space + 1);
  }
  const std::optional<int32_t> left_id = vocabulary_->Find(left);
  const std::optional<int32_t> right_id = vocabulary_->Find(right);
  const std::optional<int32_t> id = vocabulary_->Find(left + right);
  if (!left_id || !right_id || !id) {
    return wrong(absl::StrCat(ShownText(!left_id    ? left
                                        : !right_id ? right
                                                    : left + right),
                              " in model.vocab"));
  }
  merges_[PairKey(*left_id, *right_id)] = {rank, *id};  // the last of equal pairs counts
  return absl::OkStatus();
}

void BpeModel::ReadBytes(bool byte_level) {
  byte_ids_.resize(byte_level ? 256 : 128, -1);  // else only ASCII is a character by itself
  for (size_t byte = 0; byte < byte_ids_.size(); ++byte) {
    const std::string text(1, static_cast<char>(byte));
    byte_ids_[byte] = vocabulary_->Find(byte_level ? BytesToCharacters(text) : text).value_or(-1);
  }
}

const BpeModel::Merge* BpeModel::FindMerge(int32_t left, int32_t right) const {
  const auto it = merges_.find(PairKey(left, right));
  return it == merges_.end() ? nullptr : &it->second;
}

void BpeModel::Encode(std::span<const std::string_view> pieces, std::vector<int32_t>& ids) const {
  // A second thread encodes without the cache instead of waiting for it at every word.
  const std::unique_lock<std::mutex> lock(cache_->mutex, std::try_to_lock);
  for (const std::string_view piece : pieces) {
    if (!lock.owns_lock() || piece.size() > WordCache::kLongestWord) {
      const std::vector<int32_t> own = EncodePiece(piece);
      ids.insert(ids.end(), own.begin(), own.end());
      continue;
    }
    WordCache::Entry& entry = cache_->words.Place(piece);
    if (entry.word != piece) {
      entry.ids = EncodePiece(piece);
      entry.word = piece;
    }
    ids.insert(ids.end(), entry.ids.begin(), entry.ids.end());
  }
}

std::vector<int32_t> BpeModel::EncodePiece(std::string_view piece) const {
  if (ignore_merges_) {
    const std::optional<int32_t> whole =
        vocabulary_->Find(byte_level_ ? BytesToCharacters(piece) : std::string(piece));
    if (whole) return {*whole};
  }
  std::vector<int32_t> ids = Characters(piece);
  MergeAll(ids);
  return ids;
}

std::vector<int32_t> BpeModel::Characters(std::string_view piece) const {
  std::vector<int32_t> ids;
  ids.reserve(piece.size());
  bool unknown = false;  // an unknown token is due
  for (size_t i = 0; i < piece.size();) {
    const auto byte = static_cast<uint8_t>(piece[i]);
    const size_t length = byte_level_ ? 1 : CharacterLength(piece, i);
    std::string_view character = piece.substr(i, length);
    i += length;
    int32_t id = byte < byte_ids_.size() ? byte_ids_[byte] : -1;
    if (byte >= byte_ids_.size()) id = vocabulary_->Find(character).value_or(-1);
    if (id >= 0) {
      if (unknown) ids.push_back(*unk_id_);
      unknown = false;
      ids.push_back(id);
      continue;
    }
    const std::string mapped = byte_level_ ? BytesToCharacters(character) : std::string(character);
    if (byte_fallback_ && AppendFallback(mapped, ids)) continue;
    if (!unk_id_) continue;
    if (unknown && !fuse_unk_) ids.push_back(*unk_id_);
    unknown = true;
  }
  if (unknown) ids.push_back(*unk_id_);
  return ids;
}

bool BpeModel::AppendFallback(std::string_view character, std::vector<int32_t>& ids) const {
  const size_t before = ids.size();
  for (const char byte : character) {
    const std::optional<int32_t> id =
        vocabulary_->Find(absl::StrFormat("<0x%02X>", static_cast<uint8_t>(byte)));
    if (!id) {
      ids.resize(before);
      return false;
    }
    ids.push_back(*id);
  }
  return true;
}

void BpeModel::MergeAll(std::vector<int32_t>& ids) const {
  const auto count = static_cast<int32_t>(ids.size());
  std::vector<Symbol> symbols(count);
  std::vector<Candidate> start;
  for (int32_t i = 0; i < count; ++i) {
    symbols[i] = {ids[i], i - 1, i + 1 < count ? i + 1 : -1};
    const Merge* merge = i + 1 < count ? FindMerge(ids[i], ids[i + 1]) : nullptr;
    if (merge != nullptr) start.push_back({merge->rank, i, merge->id});
  }
  if (start.empty()) return;
  std::priority_queue<Candidate> queue(std::less<Candidate>(), std::move(start));
  const auto consider = [&](int32_t left, int32_t right) {
    if (left < 0 || right < 0) return;
    const Merge* merge = FindMerge(symbols[left].id, symbols[right].id);
    if (merge != nullptr) queue.push({merge->rank, left, merge->id});
  };
  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    Symbol& left = symbols[top.position];
    if (left.id < 0 || left.next < 0) continue;
    const Merge* merge = FindMerge(left.id, symbols[left.next].id);
    if (merge == nullptr || merge->id != top.id) continue;  // the pair is no longer there
    Symbol& right = symbols[left.next];
    left.id = top.id;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) symbols[left.next].previous = top.position;
    consider(left.previous, top.position);
    consider(top.position, left.next);
  }
  ids.clear();
  for (const Symbol& symbol : symbols) {
    if (symbol.id >= 0) ids.push_back(symbol.id);
  }
}

}  // namespace deduce
