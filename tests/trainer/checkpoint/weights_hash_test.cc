#include "trainer/checkpoint/weights_hash.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "parallel/communicator/thread_communicator.h"
#include "tests/testing/rank_group.h"
#include "tests/trainer/random_layout.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;

std::string HashOnOneRank(const std::vector<TensorSlice>& tensors) {
  const auto world = MakeOneMemberCommunicator();
  return *WeightsHash(*world, tensors);
}

TEST(WeightsHashTest, DoesNotDependOnWhoHoldsWhat) {
  const auto tensors = RandomTensors(1);
  const std::string expected = HashOnOneRank(tensors);
  EXPECT_EQ(expected.size(), 16u);
  for (const int ranks : {1, 2, 4}) {
    RunRanks(ranks, [&](Communicator& world) {
      // The first tensor is replicated, the others are dealt out; the local order differs by rank.
      std::vector<TensorSlice> local = {tensors[0]};
      for (size_t i = 1; i < tensors.size(); ++i) {
        if (static_cast<int>(i) % world.size() == world.rank()) local.push_back(tensors[i]);
      }
      if (world.rank() % 2 == 1) std::reverse(local.begin(), local.end());
      EXPECT_EQ(*WeightsHash(world, local), expected);
    });
  }
}

TEST(WeightsHashTest, ChangesWithOneBitOfAnyTensor) {
  const auto tensors = RandomTensors(1);
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].data.numel() == 0) continue;
    auto changed = tensors;
    changed[i].data = tensors[i].data.clone();
    *static_cast<uint8_t*>(changed[i].data.mutable_data_ptr()) ^= 1;
    EXPECT_NE(HashOnOneRank(changed), HashOnOneRank(tensors)) << i;
  }
}

TEST(WeightsHashTest, ChangesWhenTwoTensorsChangePlaces) {
  auto tensors = RandomTensors(1);
  const std::string before = HashOnOneRank(tensors);
  std::swap(tensors[0].name, tensors[1].name);
  EXPECT_NE(HashOnOneRank(tensors), before);
}

TEST(WeightsHashTest, DisagreementNamesTensorAndRanksOnAllRanks) {
  const auto tensors = RandomTensors(1), other = RandomTensors(2);
  RunThreadRanks(4, [&](Communicator& world) {
    std::vector<TensorSlice> local;
    if (world.rank() != 0) local.push_back(world.rank() == 3 ? other[0] : tensors[0]);
    const auto hash = WeightsHash(world, local);
    EXPECT_EQ(hash.status().code(), absl::StatusCode::kInternal);
    const std::string message(hash.status().message());
    EXPECT_THAT(message, HasSubstr(tensors[0].name + ": found hash "));
    EXPECT_THAT(message, HasSubstr("on rank 3, expected"));
    EXPECT_THAT(message, HasSubstr("as on rank 1"));
  });
}

TEST(WeightsHashTest, PiecesHaveTheHashOfTheWhole) {
  // Rows, columns, and a tensor that is not split.
  std::vector<TensorSlice> tensors = RandomTensors(1);
  const std::vector<std::vector<int64_t>> shapes = {{8, 6}, {6, 8}};
  for (size_t i = 0; i < shapes.size(); ++i) {
    tensors.push_back(tensors[0]);
    tensors.back().name = "split" + std::to_string(i);
    tensors.back().shape = shapes[i];
    tensors.back().data = tensors[0].data.slice(0, i, i + 48);
  }
  const std::string expected = HashOnOneRank(tensors);
  for (const int ranks : {1, 2, 4}) {
    RunRanks(ranks, [&](Communicator& world) {
      std::vector<TensorSlice> held = tensors;
      TensorSlice &rows = held[held.size() - 2], &columns = held.back();
      const int64_t each = 48 / world.size(), width = 8 / world.size();
      rows.begin = world.rank() * each;
      rows.data = rows.data.slice(0, rows.begin, rows.begin + each);
      const ColumnRange own{world.rank() * width, (world.rank() + 1) * width};
      columns.data = Elements(columns, own);
      columns.columns = own;
      EXPECT_EQ(*WeightsHash(world, held, &world), expected);
    });
  }
}

TEST(WeightsHashTest, PiecesOfOtherRanksAreRefused) {
  RunThreadRanks(2, [&](Communicator& world) {
    TensorSlice piece{"a", {2, 2}, 0, RandomTensors(1)[0].data.slice(0, 0, 2)};
    piece.begin = world.rank() == 0 ? 2 : 0;
    EXPECT_THROW(WeightsHash(world, {piece}, &world).IgnoreError(), c10::Error);
    piece.begin = 0;
    piece.columns = world.rank() == 0 ? ColumnRange{1, 2} : ColumnRange{0, 1};
    EXPECT_THROW(WeightsHash(world, {piece}, &world).IgnoreError(), c10::Error);
  });
}

TEST(WeightsHashTest, PartsOfTensorsAreRefused) {
  TensorSlice part = RandomTensors(1)[0];
  part.data = part.data.slice(0, 0, 10);
  EXPECT_THROW(HashOnOneRank({part}), c10::Error);
}

}  // namespace
}  // namespace deduce
