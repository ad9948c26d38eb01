#include "trainer/step/micro_batch_part.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <vector>

#include "data/records/packing.h"

namespace deduce {
namespace {

// Sequences of these lengths, whose tokens are 1, 2, 3, ...
PackedBatch Sequences(const std::vector<int64_t>& lengths) {
  std::vector<PackItem> items;
  int next = 1;
  for (const int64_t length : lengths) {
    PackItem item{.sample_id = static_cast<int64_t>(items.size())};
    for (int64_t i = 0; i < length; ++i) item.tokens.push_back(next++);
    item.prompt_length = 1;
    item.columns[Column::kWeight] = {1};
    items.push_back(std::move(item));
  }
  return MakePackedBatch(items);
}

at::Tensor Longs(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }

TEST(MicroBatchPartTest, WithoutPartsIsTheMicroBatch) {
  const PackedBatch batch = Sequences({5, 3});
  const MicroBatchPart part = SplitForRank(batch, Layout(), /*with_ahead=*/false);
  EXPECT_EQ(part.share, nullptr);
  EXPECT_TRUE(part.batch.tokens_x.is_same(batch.tokens_x));
  EXPECT_EQ(part.ahead.num_tokens(), 0);
}

TEST(MicroBatchPartTest, TakesTokensWithTheirTargetsAndPositions) {
  // Chunks of the 8 tokens by twos, of the 3 by 0, 1, 1, 1: rank 1 of 2 has the two in the middle.
  const PackedBatch batch = Sequences({8, 3});
  const Layout layout = {.context_parallel = 2, .context_rank = 1};
  const MicroBatchPart part = SplitForRank(batch, layout, /*with_ahead=*/true);
  EXPECT_TRUE(at::equal(part.batch.tokens_x, Longs({3, 4, 5, 6, 9, 10})));
  EXPECT_TRUE(at::equal(part.batch.targets_x, Longs({4, 5, 6, 7, 10, 11})));
  EXPECT_TRUE(at::equal(part.batch.positions_x, Longs({2, 3, 4, 5, 0, 1})));
  EXPECT_EQ(part.batch.sequence_starts, std::vector<int64_t>({0, 4, 6}));
  EXPECT_EQ(part.batch.sample_ids, std::vector<int64_t>({0, 1}));
  EXPECT_TRUE(at::equal(part.ahead.targets_x, Longs({5, 6, 7, 8, 11, 0})));
  EXPECT_EQ(part.batch[Column::kWeight].numel(), 6);
  EXPECT_EQ(part.batch.columns.size(), 1U);
}

TEST(MicroBatchPartTest, AnEmptyBatchHasEmptyParts) {
  const Layout layout = {.context_parallel = 2, .tensor_parallel = 2};
  const MicroBatchPart part = SplitForRank(EmptyBatch(), layout, /*with_ahead=*/true);
  EXPECT_EQ(part.batch.num_tokens(), 0);
  EXPECT_EQ(part.ahead.num_tokens(), 0);
}

}  // namespace
}  // namespace deduce
