#include "trainer/checkpoint/checkpoint_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "parallel/communicator/thread_communicator.h"
#include "tests/trainer/random_layout.h"
#include "tests/trainer/scratch_dir.h"
#include "trainer/checkpoint/manifest.h"

namespace deduce {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// A checkpoint of two ranks: tensor "left" on rank 0, "right" on rank 1.
class CheckpointReaderTest : public ::testing::Test {
 protected:
  CheckpointReaderTest() {
    const auto tensors = RandomTensors(5);
    left_ = tensors[0].data;
    const TensorSlice left{"left", {13, 7}, 0, left_};
    const TensorSlice right{"right", {101}, 0, tensors[4].data};
    RunThreadRanks(2, [&](Communicator& world) {
      const absl::Status saved =
          SaveCheckpoint(world, dir(), {world.rank() == 0 ? left : right}, R"({"step":1})",
                         {{"config.textproto", "name: 'x'"}});
      EXPECT_TRUE(saved.ok()) << saved;
    });
  }

  std::string dir() const { return scratch_ / "c"; }

  // Open and verify, as `deduce inspect --verify` does.
  absl::Status Verify() const {
    const auto reader = CheckpointReader::Open(dir());
    return reader.ok() ? reader->VerifyAll() : reader.status();
  }

  ScratchDir scratch_;
  at::Tensor left_;
};

const char* const kFiles[] = {"manifest.json", "config.textproto", "rank-00000.safetensors",
                              "rank-00001.safetensors"};

TEST_F(CheckpointReaderTest, EveryTruncatedFileIsFound) {
  for (const std::string name : kFiles) {
    const std::string path = dir() + "/" + name, whole = Slurp(path);
    for (size_t cut : {size_t{1}, size_t{5}, whole.size() / 2, whole.size()}) {
      Spill(path, whole.substr(0, whole.size() - cut));
      const absl::Status status = Verify();
      EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
      EXPECT_THAT(std::string(status.message()), StartsWith(path + ": found "));
    }
    Spill(path, whole);
  }
  EXPECT_TRUE(Verify().ok());
}

TEST_F(CheckpointReaderTest, EveryFlippedBitIsFound) {
  for (const std::string name : kFiles) {
    const std::string path = dir() + "/" + name, whole = Slurp(path);
    for (size_t bit = 0; bit < 8 * whole.size(); bit += 37) {
      std::string flipped = whole;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
      Spill(path, flipped);
      const absl::Status status = Verify();
      EXPECT_FALSE(status.ok()) << name << " bit " << bit;
      EXPECT_THAT(std::string(status.message()), StartsWith(path));
      EXPECT_THAT(std::string(status.message()), HasSubstr(", expected "));
      EXPECT_THAT(std::string(status.message()), Not(HasSubstr("\n")));
    }
    Spill(path, whole);
  }
  EXPECT_TRUE(Verify().ok());
}

TEST_F(CheckpointReaderTest, MissingFilesAreNamed) {
  for (const std::string name : kFiles) {
    const std::string path = dir() + "/" + name;
    fs::rename(path, path + ".away");
    const absl::Status status = Verify();
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << status;
    EXPECT_THAT(std::string(status.message()), StartsWith(path + ": found "));
    fs::rename(path + ".away", path);
  }
}

TEST_F(CheckpointReaderTest, ExchangedShardsAreFound) {
  const std::string a = dir() + "/rank-00000.safetensors", b = dir() + "/rank-00001.safetensors";
  fs::rename(a, dir() + "/x");
  fs::rename(b, a);
  fs::rename(dir() + "/x", b);
  const absl::Status status = Verify();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("other tensors than its manifest names"));
}

TEST_F(CheckpointReaderTest, ForeignFoldersAreNamedAsSuch) {
  Spill(dir() + "/manifest.json", R"({"model_type": "llama"})");
  EXPECT_EQ(Verify().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CheckpointReader::Open(scratch_.path()).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(CheckpointReader::Open(dir() + "/config.textproto").ok());
}

TEST_F(CheckpointReaderTest, ReadsOnlyWhatItNeeds) {
  fs::remove(dir() + "/rank-00001.safetensors");
  const auto reader = CheckpointReader::Open(dir());
  ASSERT_TRUE(reader.ok());
  at::Tensor out = at::empty({5}, at::kFloat);
  EXPECT_TRUE(reader->Read("left", 7, out).ok());
  EXPECT_TRUE(SameBits(out, left_.slice(0, 7, 12)));
}

TEST_F(CheckpointReaderTest, DamageOutsideTheRangeButInTheSliceIsFound) {
  const std::string path = dir() + "/rank-00000.safetensors";
  std::string bytes = Slurp(path);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  Spill(path, bytes);
  at::Tensor out = at::empty({5}, at::kFloat);
  const absl::Status status = CheckpointReader::Open(dir())->Read("left", 0, out);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("tensor left [0, 91)"));
}

// A tensor [13, 7] that one rank has the columns [0, 3) of, another the rest.
TEST_F(CheckpointReaderTest, DamageOfColumnsIsNamedByThemAndFoundWhereTheyAreRead) {
  const std::string split = scratch_ / "split";
  const TensorSlice whole{"left", {13, 7}, 0, left_};
  RunThreadRanks(2, [&](Communicator& world) {
    const ColumnRange columns = world.rank() == 0 ? ColumnRange{0, 3} : ColumnRange{3, 7};
    const TensorSlice slice{"left", {13, 7}, 0, Elements(whole, columns), columns};
    EXPECT_EQ(SaveCheckpoint(world, split, {slice}, "{}", {}), absl::OkStatus());
  });
  const std::string path = split + "/rank-00001.safetensors";
  std::string bytes = Slurp(path);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  Spill(path, bytes);
  const auto reader = CheckpointReader::Open(split);
  ASSERT_TRUE(reader.ok()) << reader.status();
  at::Tensor out = at::empty({5}, at::kFloat);
  EXPECT_EQ(reader->Read("left", 2, out, ColumnRange{1, 3}), absl::OkStatus());
  EXPECT_EQ(reader->Read("left", 2, out, ColumnRange{1, 4}).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(reader->Read("left", 0, out).code(), absl::StatusCode::kDataLoss);
  const absl::Status status = reader->VerifyAll();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("tensor left [0, 52) of columns [3, 7)"));
}

TEST_F(CheckpointReaderTest, ColumnsThatATensorLacksAreInvalid) {
  const auto reader = CheckpointReader::Open(dir());
  at::Tensor out = at::empty({5}, at::kFloat), byte = at::empty({5}, at::kByte);
  EXPECT_THAT(std::string(reader->Read("left", 0, out, ColumnRange{6, 8}).message()),
              HasSubstr("[13, 7], expected elements [0, 5) of columns [6, 8) of F32"));
  for (const ColumnRange& columns : {ColumnRange{-1, 2}, ColumnRange{3, 3}, ColumnRange{4, 3}}) {
    EXPECT_EQ(reader->Read("left", 0, out, columns).code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(reader->Read("left", 22, out, ColumnRange{1, 3}).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(reader->Read("right", 0, byte, ColumnRange{0, 1}).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(CheckpointReaderTest, WrongNamesTypesAndRangesAreInvalid) {
  const auto reader = CheckpointReader::Open(dir());
  at::Tensor floats = at::empty({5}, at::kFloat), longs = at::empty({5}, at::kLong);
  EXPECT_THAT(std::string(reader->Read("middle", 0, floats).message()),
              HasSubstr("found no tensor middle"));
  EXPECT_THAT(std::string(reader->Read("left", 0, longs).message()),
              HasSubstr("found left of F32 [13, 7], expected elements [0, 5) of I64"));
  EXPECT_EQ(reader->Read("left", 87, floats).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(reader->Read("left", -1, floats).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace deduce
