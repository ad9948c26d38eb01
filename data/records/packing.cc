#include "data/records/packing.h"

#include <ATen/ops/tensor.h>
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
  TORCH_CHECK(item.columns.count(Column::kWeight) > 0, "sample ", item.sample_id, ": no weights");
  for (const Column column : kAllColumns) {
    TORCH_CHECK(item.columns.count(column) == first.columns.count(column), "sample ",
                item.sample_id, ": some items have a column ", ColumnName(column), ", others none");
  }
}

// Where the values of a column begin among the item's predictions, and how many these are.
struct Predictions {
  int64_t begin, count;
};
Predictions PredictionsOf(const PackItem& item, Column column, const std::vector<float>& values) {
  const auto size = static_cast<int64_t>(values.size());
  const int64_t predictions = Length(item) - 1;
  const int64_t completion = Length(item) - item.prompt_length;
  if (size == predictions) return {0, predictions};
  TORCH_CHECK(size == completion || size == 1, "sample ", item.sample_id, ": found ", size,
              " values of column ", ColumnName(column), ", expected ", predictions,
              " for the predictions, ", completion, " for the completion, or 1");
  // The token before the completion predicts its first token.
  return {item.prompt_length - 1, completion};
}

std::vector<int64_t> LongestFirst(const std::vector<int64_t>& lengths) {
  std::vector<int64_t> order(lengths.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return lengths[a] > lengths[b]; });
  return order;
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
  if (completion_only && !sample.learned.empty()) {
    std::copy(sample.learned.begin() + 1, sample.learned.end(), weights.begin());
  } else if (completion_only) {
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
  const auto num_tokens = static_cast<size_t>(batch.sequence_starts.back());
  std::vector<int64_t> tokens(num_tokens), positions(num_tokens), targets(num_tokens);
  std::map<Column, std::vector<float>> columns;
  for (size_t s = 0; s < items.size(); ++s) {
    const PackItem& item = items[s];
    const int64_t start = batch.sequence_starts[s];
    std::copy(item.tokens.begin(), item.tokens.end(), tokens.begin() + start);
    std::iota(positions.begin() + start, positions.begin() + start + Length(item), 0);
    std::copy(item.tokens.begin() + 1, item.tokens.end(), targets.begin() + start);
    for (const auto& [column, values] : item.columns) {
      std::vector<float>& all = columns.try_emplace(column, num_tokens).first->second;
      const Predictions run = PredictionsOf(item, column, values);
      const auto first = all.begin() + start + run.begin;
      if (values.size() == 1) {
        std::fill_n(first, run.count, values[0]);
      } else {
        std::copy(values.begin(), values.end(), first);
      }
    }
  }
  batch.tokens_x = at::tensor(tokens, at::kLong);
  batch.positions_x = at::tensor(positions, at::kLong);
  batch.targets_x = at::tensor(targets, at::kLong);
  for (const auto& [column, values] : columns)
    batch.columns[column] = at::tensor(values, at::kFloat);
  return batch;
}

}  // namespace deduce
