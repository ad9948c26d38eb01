#include "data/records/packing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/random.h"

namespace deduce {
namespace {

using ::testing::ElementsAre;

template <typename T>
std::vector<T> Values(const at::Tensor& tensor) {
  const T* data = tensor.const_data_ptr<T>();
  return {data, data + tensor.numel()};
}

PackItem Item(std::vector<int32_t> tokens, int64_t prompt_length, int64_t sample_id) {
  PackItem item;
  item.tokens = std::move(tokens);
  item.prompt_length = prompt_length;
  item.sample_id = sample_id;
  item.columns[Column::kWeight] =
      LossWeights({item.tokens, prompt_length}, /*completion_only=*/true);
  return item;
}

TEST(PackBestFitTest, KnownExample) {
  // 7 opens bin 0 (3 left), 6 bin 1 (4 left); 3 fits bin 0 best, then 2 and 2 fill bin 1; 1 opens
  // bin 2.
  EXPECT_THAT(PackBestFit({2, 7, 3, 2, 6, 1}, 10),
              ElementsAre(ElementsAre(1, 2), ElementsAre(4, 0, 3), ElementsAre(5)));
}

TEST(PackBestFitTest, TiesGoToTheOldestBinAndTheFirstIndex) {
  EXPECT_THAT(PackBestFit({6, 6, 4, 4}, 10), ElementsAre(ElementsAre(0, 2), ElementsAre(1, 3)));
}

TEST(PackBestFitTest, EveryIndexOnceAndNoRowTooLong) {
  const uint64_t stream = RandomStream(1, "packing_test");
  for (uint64_t trial = 0; trial < 50; ++trial) {
    std::vector<int64_t> lengths;
    int64_t total = 0;
    for (uint64_t i = 0; i < 100; ++i) {
      lengths.push_back(1 + static_cast<int64_t>(RandomInteger(stream, trial, i, 64)));
      total += lengths.back();
    }
    const auto bins = PackBestFit(lengths, 64);
    std::vector<int> seen(lengths.size());
    for (const auto& bin : bins) {
      int64_t room = 64;
      for (const int64_t index : bin) {
        ++seen[index];
        room -= lengths[index];
      }
      EXPECT_GE(room, 0);
    }
    EXPECT_THAT(seen, ::testing::Each(1));
    // Any two rows of a best-fit packing hold more than one capacity together.
    EXPECT_LE(static_cast<int64_t>(bins.size()), 2 * total / 64 + 1);
  }
}

TEST(PackBestFitTest, NothingToPack) { EXPECT_TRUE(PackBestFit({}, 8).empty()); }

TEST(PackBestFitTest, RefusesWhatCannotFit) {
  EXPECT_ANY_THROW(PackBestFit({3, 9}, 8));
  EXPECT_ANY_THROW(PackBestFit({0}, 8));
}

TEST(PackEvenlyTest, FillsTheFewestBinsEvenly) {
  // PackBestFit puts 6, 5 and 4 into one bin and leaves 3 and 2 to the other.
  EXPECT_THAT(PackEvenly({6, 5, 4, 3, 2}, 15),
              ElementsAre(ElementsAre(0, 3, 4), ElementsAre(1, 2)));
}

TEST(PackEvenlyTest, KeepsTheBestFitWhereEvenBinsWouldOverflow) {
  EXPECT_THAT(PackEvenly({3, 3, 2, 2, 2}, 6), ElementsAre(ElementsAre(0, 1), ElementsAre(2, 3, 4)));
}

TEST(PackedBatchTest, LaysSequencesEndToEnd) {
  const PackedBatch batch = MakePackedBatch({Item({1, 5, 6, 2}, 2, 40), Item({1, 7, 2}, 1, 41)});
  EXPECT_EQ(batch.num_tokens(), 7);
  EXPECT_EQ(batch.num_sequences(), 2);
  EXPECT_THAT(batch.sequence_starts, ElementsAre(0, 4, 7));
  EXPECT_THAT(batch.sample_ids, ElementsAre(40, 41));
  EXPECT_THAT(Values<int64_t>(batch.tokens_x), ElementsAre(1, 5, 6, 2, 1, 7, 2));
  EXPECT_THAT(Values<int64_t>(batch.positions_x), ElementsAre(0, 1, 2, 3, 0, 1, 2));
  EXPECT_THAT(Values<int64_t>(batch.targets_x), ElementsAre(5, 6, 2, 0, 7, 2, 0));
  EXPECT_THAT(Values<float>(batch[Column::kWeight]), ElementsAre(0, 1, 1, 0, 1, 1, 0));
}

TEST(PackedBatchTest, HasTheColumnsOfItsItemsAndNoOthers) {
  const PackedBatch batch = MakePackedBatch({Item({1, 5, 2}, 2, 0)});
  EXPECT_EQ(batch.columns.size(), 1U);
}

TEST(PackedBatchTest, ValuesOfACompletionStandAtThePredictionsOfItsTokens) {
  PackItem first = Item({1, 5, 6, 2}, 2, 0);
  first.columns[Column::kAdvantage] = {-2};
  first.columns[Column::kSamplerLogProb] = {-0.5, -0.25};
  PackItem second = Item({1, 7, 8, 2}, 3, 1);
  second.columns[Column::kAdvantage] = {3};
  second.columns[Column::kSamplerLogProb] = {-4};
  const PackedBatch batch = MakePackedBatch({first, second});
  EXPECT_THAT(Values<float>(batch[Column::kAdvantage]), ElementsAre(0, -2, -2, 0, 0, 0, 3, 0));
  EXPECT_THAT(Values<float>(batch[Column::kSamplerLogProb]),
              ElementsAre(0, -0.5, -0.25, 0, 0, 0, -4, 0));
}

TEST(PackedBatchTest, RefusesItemsThatDoNotFitTogether) {
  PackItem with = Item({1, 5, 2}, 2, 0);
  with.columns[Column::kAdvantage] = {1};
  EXPECT_ANY_THROW(MakePackedBatch({with, Item({1, 5, 2}, 2, 1)}));
  PackItem few = Item({1, 5, 6, 2}, 1, 0);
  few.columns[Column::kReferenceLogProb] = {-1, -2};
  EXPECT_ANY_THROW(MakePackedBatch({few}));
  PackItem weightless = Item({1, 5, 2}, 1, 0);
  weightless.columns.erase(Column::kWeight);
  EXPECT_ANY_THROW(MakePackedBatch({weightless}));
  EXPECT_ANY_THROW(MakePackedBatch({}));
}

TEST(LossWeightsTest, PretrainingWeighsThePromptToo) {
  const TokenSample sample{{1, 5, 6, 7, 2}, 3};
  EXPECT_THAT(LossWeights(sample, false), ElementsAre(1, 1, 1, 1));
  EXPECT_THAT(LossWeights(sample, true), ElementsAre(0, 0, 1, 1));
}

TEST(LossWeightsTest, LearnedTokensHaveTheWeightOfTheirPredictions) {
  const TokenSample sample{{1, 5, 6, 7, 2}, 1, {0, 1, 0, 0, 1}};
  EXPECT_THAT(LossWeights(sample, true), ElementsAre(1, 0, 0, 1));
  EXPECT_THAT(LossWeights(sample, false), ElementsAre(1, 1, 1, 1));
}

}  // namespace
}  // namespace deduce
