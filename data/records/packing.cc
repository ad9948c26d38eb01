#include "data/records/packing.h"

#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

namespace deduce {
namespace {

int64_t Length(const PackItem& item) { return static_cast<int64_t>(item.tokens.size()); }

void CheckItem(const PackItem& item, const PackItem& first) {
  const int64_t length = Length(item);
  TORCH_CHECK(length >= 2 && item.prompt_length >= 1 && item.prompt_length < length, "sample ",
              item.sample_id, ": ", length, " tokens, prompt of ", item.prompt_length);
  TORCH_CHECK(static_cast<int64_t>(item.weights.size()) == length - 1, "sample ", item.sample_id,
              ": ", item.weights.size(), " weights for ", length, " tokens");
  TORCH_CHECK(item.advantage.has_value() == first.advantage.has_value(), "sample ", item.sample_id,
              ": some items have an advantage, others none");
  for (const auto member : {&PackItem::old_log_probs, &PackItem::ref_log_probs}) {
    const std::vector<float>& values = item.*member;
    TORCH_CHECK(values.empty() == (first.*member).empty(), "sample ", item.sample_id,
                ": some items have log-probs, others none");
    TORCH_CHECK(
        values.empty() || static_cast<int64_t>(values.size()) == length - item.prompt_length,
        "sample ", item.sample_id, ": ", values.size(), " log-probs for ",
        length - item.prompt_length, " completion tokens");
  }
}

std::vector<int64_t> LongestFirst(const std::vector<int64_t>& lengths) {
  std::vector<int64_t> order(lengths.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return lengths[a] > lengths[b]; });
  return order;
}

// A zero tensor of one element a token, if wanted.
float* Allocate(bool wanted, int64_t num_tokens, at::Tensor& tensor_x) {
  if (!wanted) return nullptr;
  tensor_x = at::zeros({num_tokens}, at::kFloat);
  return tensor_x.mutable_data_ptr<float>();
}

}  // namespace

std::vector<std::vector<int64_t>> PackBestFit(const std::vector<int64_t>& lengths,
                                              int64_t capacity) {
  std::vector<std::vector<int64_t>> bins;
  std::set<std::pair<int64_t, int64_t>> room;  // (tokens left, bin)
  for (const int64_t index : LongestFirst(lengths)) {
    const int64_t length = lengths[index];
    TORCH_CHECK(length >= 1 && length <= capacity, "sequence ", index, " of ", length,
                " tokens, capacity ", capacity);
    std::pair<int64_t, int64_t> chosen(capacity, static_cast<int64_t>(bins.size()));
    if (const auto tightest = room.lower_bound({length, -1}); tightest != room.end()) {
      chosen = *tightest;
      room.erase(tightest);
    } else {
      bins.emplace_back();
    }
    bins[chosen.second].push_back(index);
    room.emplace(chosen.first - length, chosen.second);
  }
  return bins;
}

std::vector<std::vector<int64_t>> PackEvenly(const std::vector<int64_t>& lengths,
                                             int64_t capacity) {
  std::vector<std::vector<int64_t>> fewest = PackBestFit(lengths, capacity);
  std::vector<std::vector<int64_t>> bins(fewest.size());
  std::set<std::pair<int64_t, int64_t>> filled;  // (tokens, bin)
  for (size_t bin = 0; bin < bins.size(); ++bin) filled.emplace(0, bin);
  for (const int64_t index : LongestFirst(lengths)) {
    const auto [tokens, bin] = *filled.begin();
    if (tokens + lengths[index] > capacity) return fewest;
    filled.erase(filled.begin());
    filled.emplace(tokens + lengths[index], bin);
    bins[bin].push_back(index);
  }
  return bins;
}

std::vector<float> LossWeights(const TokenSample& sample, bool completion_only) {
  std::vector<float> weights(sample.tokens.size() - 1, 1.0F);
  if (completion_only) {
    std::fill_n(weights.begin(), sample.prompt_length - 1, 0.0F);
  }
  return weights;
}

PackedBatch MakePackedBatch(const std::vector<PackItem>& items) {
  TORCH_CHECK(!items.empty(), "a batch without sequences");
  PackedBatch batch;
  batch.sequence_starts.push_back(0);
  for (const PackItem& item : items) {
    CheckItem(item, items.front());
    batch.sequence_starts.push_back(batch.sequence_starts.back() + Length(item));
    batch.sample_ids.push_back(item.sample_id);
  }
  const int64_t num_tokens = batch.sequence_starts.back();
  batch.tokens_x = at::zeros({num_tokens}, at::kLong);
  batch.positions_x = at::zeros({num_tokens}, at::kLong);
  batch.targets_x = at::zeros({num_tokens}, at::kLong);
  int64_t* tokens = batch.tokens_x.mutable_data_ptr<int64_t>();
  int64_t* positions = batch.positions_x.mutable_data_ptr<int64_t>();
  int64_t* targets = batch.targets_x.mutable_data_ptr<int64_t>();
  const PackItem& first = items.front();
  float* weights = Allocate(true, num_tokens, batch.weights_x);
  float* advantages = Allocate(first.advantage.has_value(), num_tokens, batch.advantages_x);
  float* old_log_probs = Allocate(!first.old_log_probs.empty(), num_tokens, batch.old_log_probs_x);
  float* ref_log_probs = Allocate(!first.ref_log_probs.empty(), num_tokens, batch.ref_log_probs_x);
  for (size_t s = 0; s < items.size(); ++s) {
    const PackItem& item = items[s];
    const int64_t start = batch.sequence_starts[s];
    const int64_t length = Length(item);
    std::copy(item.tokens.begin(), item.tokens.end(), tokens + start);
    std::iota(positions + start, positions + start + length, 0);
    std::copy(item.tokens.begin() + 1, item.tokens.end(), targets + start);
    std::copy(item.weights.begin(), item.weights.end(), weights + start);
    // The token before the completion predicts its first token.
    const int64_t completion = start + item.prompt_length - 1;
    if (advantages != nullptr) {
      std::fill_n(advantages + completion, length - item.prompt_length, *item.advantage);
    }
    if (old_log_probs != nullptr) {
      std::copy(item.old_log_probs.begin(), item.old_log_probs.end(), old_log_probs + completion);
    }
    if (ref_log_probs != nullptr) {
      std::copy(item.ref_log_probs.begin(), item.ref_log_probs.end(), ref_log_probs + completion);
    }
  }
  return batch;
}

}  // namespace deduce
