#include "trainer/checkpoint/checkpoint.h"

#include <ATen/ops/empty_like.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <nlohmann/json.hpp>

#include "parallel/communicator/thread_communicator.h"
#include "tests/testing/rank_group.h"
#include "tests/trainer/file_size_limit.h"
#include "tests/trainer/random_layout.h"
#include "tests/trainer/scratch_dir.h"
#include "trainer/checkpoint/checked_file.h"
#include "trainer/checkpoint/checkpoint_folders.h"
#include "trainer/checkpoint/checkpoint_reader.h"

namespace deduce {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::vector<std::string> NamesIn(const std::string& dir) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Saves on thread ranks and returns what each of them was told.
std::vector<absl::Status> SaveOnThreads(const std::string& dir,
                                        const std::vector<std::vector<TensorSlice>>& by_rank,
                                        const std::map<std::string, std::string>& files = {}) {
  std::vector<absl::Status> statuses(by_rank.size());
  RunThreadRanks(static_cast<int>(by_rank.size()), [&](Communicator& world) {
    statuses[world.rank()] =
        SaveCheckpoint(world, dir, by_rank[world.rank()], R"({"step":1})", files);
  });
  return statuses;
}

// Reads every tensor whole and in random ranges, of its own elements and of some of its columns.
void ExpectReads(const std::string& dir, const std::vector<TensorSlice>& tensors, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto reader = CheckpointReader::Open(dir);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(reader->names().size(), tensors.size());
  for (const TensorSlice& tensor : tensors) {
    ASSERT_TRUE(reader->Has(tensor.name));
    EXPECT_EQ(reader->shape(tensor.name), tensor.shape);
    EXPECT_EQ(reader->dtype(tensor.name), tensor.data.scalar_type());
    std::vector<std::optional<ColumnRange>> columns = RandomColumns(tensor, random);
    columns.push_back(std::nullopt);
    for (const std::optional<ColumnRange>& some : columns) {
      const at::Tensor data = Elements(tensor, some);
      const int64_t elements = data.numel();
      std::vector<std::pair<int64_t, int64_t>> ranges = {{0, elements}};
      for (int i = 0; i < 3; ++i) {
        ranges.push_back(std::minmax({static_cast<int64_t>(random() % (elements + 1)),
                                      static_cast<int64_t>(random() % (elements + 1))}));
      }
      for (const auto& [begin, end] : ranges) {
        at::Tensor out = at::empty({end - begin}, tensor.data.scalar_type());
        const absl::Status status = reader->Read(tensor.name, begin, out, some);
        ASSERT_TRUE(status.ok()) << status;
        EXPECT_TRUE(SameBits(out, data.slice(0, begin, end))) << tensor.name;
      }
    }
  }
}

TEST(CheckpointTest, AnyLayoutReadsAnyOther) {
  const int counts[] = {1, 2, 4};
  for (uint64_t pair = 0; pair < 50; ++pair) {
    const ScratchDir scratch;
    const auto tensors = RandomTensors(pair);
    RunRanks(4, [&](Communicator& all) {
      const std::string dir = scratch.Shared(all) + "/c";
      const int writers = counts[pair % 3], readers = counts[pair / 3 % 3];
      const auto by_rank = RandomLayout(tensors, writers, pair);
      const auto group = all.Split(all.rank() < writers ? 0 : 1, all.rank());
      if (all.rank() < writers) {
        const absl::Status saved =
            SaveCheckpoint(*group, dir, by_rank[group->rank()], "{}", {{"config", "text"}});
        EXPECT_TRUE(saved.ok()) << saved;
      }
      all.Barrier();
      if (all.rank() < readers) ExpectReads(dir, tensors, 100 * pair + all.rank());
      all.Barrier();  // the folder lives until all have read
    });
  }
}

TEST(CheckpointTest, StateAndFilesComeBack) {
  const ScratchDir scratch;
  const std::string state = R"({"cursor":18446744073709551615,"lr":0.1,"stage":"rl","step":7})";
  const auto world = MakeOneMemberCommunicator();
  const std::map<std::string, std::string> files = {{"config.textproto", "name: 'x'\n"},
                                                    {"empty", ""}};
  ASSERT_TRUE(SaveCheckpoint(*world, scratch / "c", RandomTensors(1), state, files).ok());
  const auto reader = CheckpointReader::Open(scratch / "c");
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(reader->state(), nlohmann::json::parse(state));
  EXPECT_EQ(*reader->ReadExtraFile("config.textproto"), "name: 'x'\n");
  EXPECT_EQ(*reader->ReadExtraFile("empty"), "");
  EXPECT_EQ(reader->ReadExtraFile("other").status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(reader->VerifyAll().ok());
}

TEST(CheckpointTest, SameInputGivesTheSameBytes) {
  const ScratchDir scratch;
  const auto by_rank = RandomLayout(RandomTensors(1), 2, 1);
  EXPECT_THAT(SaveOnThreads(scratch / "a", by_rank), Each(absl::OkStatus()));
  EXPECT_THAT(SaveOnThreads(scratch / "b", by_rank), Each(absl::OkStatus()));
  ASSERT_EQ(NamesIn(scratch / "a"), NamesIn(scratch / "b"));
  for (const std::string& name : NamesIn(scratch / "a")) {
    EXPECT_EQ(Slurp(scratch / ("a/" + name)), Slurp(scratch / ("b/" + name)));
  }
}

TEST(CheckpointTest, WhatAKilledRunLeftIsReplaced) {
  const ScratchDir scratch;
  const std::string dir = CheckpointDir(scratch.path(), "rl", 5);
  std::filesystem::create_directories(dir + ".partial/inner");
  Spill(dir + ".partial/rank-00000.safetensors", "cut off");
  Spill(dir + ".partial/rank-00007.safetensors", "of a larger run");
  EXPECT_TRUE(ListCheckpoints(scratch.path())->empty());
  const auto tensors = RandomTensors(1);
  EXPECT_THAT(SaveOnThreads(dir, RandomLayout(tensors, 2, 3)), Each(absl::OkStatus()));
  EXPECT_THAT(NamesIn(CheckpointStageDir(scratch.path(), "rl")), ::testing::ElementsAre("5"));
  EXPECT_FALSE(std::filesystem::exists(dir + "/rank-00007.safetensors"));
  ExpectReads(dir, tensors, 1);
}

TEST(CheckpointTest, ExistingCheckpointIsNotTouched) {
  const ScratchDir scratch;
  const auto tensors = RandomTensors(1);
  EXPECT_THAT(SaveOnThreads(scratch / "c", {tensors}), Each(absl::OkStatus()));
  for (const auto& status : SaveOnThreads(scratch / "c", RandomLayout(RandomTensors(2), 2, 1))) {
    EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  }
  ExpectReads(scratch / "c", tensors, 1);
  EXPECT_THAT(NamesIn(scratch.path()), ::testing::ElementsAre("c"));
}

TEST(CheckpointTest, FullDiskIsTheSameStatusOnAllRanksAndLeavesNothing) {
  const ScratchDir scratch;
  const auto before = RandomTensors(1);
  ASSERT_THAT(SaveOnThreads(scratch / "1", {before}), Each(absl::OkStatus()));
  // Only rank 1 has more to write than fits.
  TensorSlice big{"big", {5000}, 0, at::empty({5000}, at::kFloat)};
  big.data.zero_();
  std::vector<absl::Status> statuses;
  {
    const FileSizeLimit limit(10000);
    statuses = SaveOnThreads(scratch / "2", {RandomTensors(2), {big}, {}});
  }
  EXPECT_FALSE(statuses[0].ok());
  EXPECT_THAT(statuses, Each(Eq(statuses[0])));
  EXPECT_THAT(std::string(statuses[0].message()),
              StartsWith((scratch / "2.partial/rank-00001.safetensors") + ": found error"));
  EXPECT_THAT(NamesIn(scratch.path()), ::testing::ElementsAre("1"));
  ExpectReads(scratch / "1", before, 1);
}

TEST(CheckpointTest, FullDiskForRankZerosFilesLeavesNothing) {
  const ScratchDir scratch;
  std::vector<absl::Status> statuses;
  {
    const FileSizeLimit limit(10000);
    statuses = SaveOnThreads(scratch / "2", RandomLayout(RandomTensors(2), 2, 1),
                             {{"tokenizer.json", std::string(20000, ' ')}});
  }
  EXPECT_THAT(std::string(statuses[0].message()),
              StartsWith((scratch / "2.partial/tokenizer.json") + ": found error"));
  EXPECT_THAT(statuses, Each(Eq(statuses[0])));
  EXPECT_TRUE(NamesIn(scratch.path()).empty());
}

TEST(CheckpointTest, FolderThatCannotBeMadeIsNamed) {
  const ScratchDir scratch;
  Spill(scratch / "file", "");
  for (const auto& status : SaveOnThreads(scratch / "file/5", {RandomTensors(1), {}})) {
    EXPECT_THAT(std::string(status.message()),
                AllOf(StartsWith(scratch / "file/5"), HasSubstr("Not a directory")));
  }
}

TEST(CheckpointTest, MissingAndRepeatedElementsAreNotPublished) {
  const ScratchDir scratch;
  const TensorSlice whole = RandomTensors(1)[0];
  const auto part = [&](int64_t begin, int64_t end) {
    return TensorSlice{whole.name, whole.shape, begin, whole.data.slice(0, begin, end)};
  };
  const std::vector<std::vector<std::vector<TensorSlice>>> wrong = {
      {{part(0, 50)}, {part(51, 91)}},
      {{part(0, 50)}, {part(49, 91)}},
      {{whole}, {whole}},
      {{part(0, 90)}, {}},
      {{TensorSlice{whole.name, {7, 13}, 0, whole.data.slice(0, 0, 50)}}, {part(50, 91)}},
  };
  for (const auto& by_rank : wrong) {
    const auto statuses = SaveOnThreads(scratch / "c", by_rank);
    EXPECT_EQ(statuses[0].code(), absl::StatusCode::kInternal) << statuses[0];
    EXPECT_THAT(std::string(statuses[0].message()), HasSubstr(whole.name));
    EXPECT_THAT(statuses, Each(Eq(statuses[0])));
    EXPECT_TRUE(NamesIn(scratch.path()).empty());
  }
}

}  // namespace
}  // namespace deduce
