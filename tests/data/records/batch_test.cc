#include "data/records/batch.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "data/records/packing.h"

namespace deduce {
namespace {

// Sequences of 5, 2 and 4 tokens 1, 2, 3, ..., whose predictions have the weight 1 and, as their
// reward, the token predicted.
PackedBatch ThreeSequences() {
  std::vector<PackItem> items;
  int next = 1;
  for (const int length : {5, 2, 4}) {
    PackItem item{.columns = {{Column::kWeight, {1}}, {Column::kReward, {}}}};
    for (int i = 0; i < length; ++i) {
      if (i > 0) item.columns[Column::kReward].push_back(static_cast<float>(next));
      item.tokens.push_back(next++);
    }
    items.push_back(std::move(item));
  }
  return MakePackedBatch(items);
}

at::Tensor Longs(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }
at::Tensor Floats(const std::vector<float>& values) { return at::tensor(values, at::kFloat); }

TEST(PackedBatchTest, AMissingColumnIsNamed) {
  try {
    ThreeSequences()[Column::kReferenceLogProb];
    FAIL() << "found a column that is not there";
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what()).find("no column reference log-prob"), std::string::npos);
  }
}

TEST(PackedBatchTest, EveryColumnHasANameOfItsOwn) {
  std::set<std::string> names;
  for (const Column column : kAllColumns) names.insert(ColumnName(column));
  EXPECT_EQ(names.size(), kAllColumns.size());
  EXPECT_EQ(names.count("unnamed"), 0U);
}

TEST(PackedBatchTest, WeightedTokensStayThoseOfTheBatch) {
  PackedBatch batch = ThreeSequences();
  const at::Tensor expected_n = Longs({0, 1, 2, 3, 5, 7, 8, 9});
  EXPECT_TRUE(at::equal(batch.WeightedTokens(), expected_n));
  const PackedBatch moved = batch.To(at::kCPU);
  EXPECT_TRUE(moved.weighted_n.defined());
  EXPECT_TRUE(at::equal(moved.WeightedTokens(), expected_n));
  const PackedBatch cut =
      moved.Mapped([](const at::Tensor& tensor) { return tensor.narrow(0, 4, 3); });
  EXPECT_TRUE(at::equal(cut.WeightedTokens(), Longs({1})));
  EXPECT_TRUE(at::equal(OneTokenAhead(moved).WeightedTokens(), Longs({0, 1, 2, 7, 8})));
}

TEST(PackedBatchTest, AChangeReachesEveryTensor) {
  const PackedBatch batch = ThreeSequences();
  std::vector<at::Tensor> seen;
  const PackedBatch changed = batch.Mapped([&](const at::Tensor& tensor) {
    seen.push_back(tensor);
    return tensor.narrow(0, 0, 3);
  });
  EXPECT_EQ(seen.size(), 3 + batch.columns.size());
  for (const at::Tensor& tensor : {changed.tokens_x, changed.positions_x, changed.targets_x,
                                   changed[Column::kWeight], changed[Column::kReward]})
    EXPECT_EQ(tensor.numel(), 3);
  EXPECT_EQ(changed.sequence_starts, batch.sequence_starts);
}

TEST(PackedBatchTest, OnItsOwnDeviceItIsTheSame) {
  const PackedBatch batch = ThreeSequences();
  const PackedBatch moved = batch.To(at::kCPU);
  EXPECT_TRUE(moved.tokens_x.is_same(batch.tokens_x));
  EXPECT_TRUE(moved[Column::kReward].is_same(batch[Column::kReward]));
}

TEST(PackedBatchTest, AnEmptyBatchHasEveryColumnAndNoTokens) {
  const PackedBatch batch = EmptyBatch();
  EXPECT_EQ(batch.num_tokens(), 0);
  EXPECT_EQ(batch.num_sequences(), 0);
  EXPECT_EQ(batch.sequence_starts, std::vector<int64_t>{0});
  for (const Column column : kAllColumns) EXPECT_EQ(batch[column].numel(), 0);
}

TEST(OneTokenAheadTest, TargetsAndColumnsAreThoseOfTheNextPosition) {
  const PackedBatch ahead = OneTokenAhead(ThreeSequences());
  EXPECT_TRUE(at::equal(ahead.targets_x, Longs({3, 4, 5, 0, 0, 0, 0, 10, 11, 0, 0})));
  EXPECT_TRUE(at::equal(ahead[Column::kReward], Floats({3, 4, 5, 0, 0, 0, 0, 10, 11, 0, 0})));
  EXPECT_EQ(ahead[Column::kWeight].sum().item<float>(), 5);
}

TEST(OneTokenAheadTest, TokensStayWhereTheyAre) {
  const PackedBatch batch = ThreeSequences();
  EXPECT_TRUE(OneTokenAhead(batch).tokens_x.is_same(batch.tokens_x));
}

}  // namespace
}  // namespace deduce
