#include "trainer/checkpoint/checked_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/trainer/file_size_limit.h"
#include "tests/trainer/scratch_dir.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(CheckedFileTest, AppendContinuesWhereTruncateEnded) {
  const ScratchDir dir;
  ASSERT_TRUE(WriteFile(dir / "a", "first").ok());
  auto file = WritableFile::Append(dir / "a");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->size(), 5);
  ASSERT_TRUE(file->Write(" second").ok());
  EXPECT_EQ(file->size(), 12);
  EXPECT_EQ(*ReadFile(dir / "a"), "first second");
  ASSERT_TRUE(WritableFile::Truncate(dir / "a").ok());
  EXPECT_EQ(*ReadFile(dir / "a"), "");
}

TEST(CheckedFileTest, FullDeviceIsAStatusWithThePath) {
  const ScratchDir dir;
  std::filesystem::create_symlink("/dev/full", dir / "full");
  const absl::Status status = WriteFile(dir / "full", "x");
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), StartsWith((dir / "full") + ": found error"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("No space left"));
}

TEST(CheckedFileTest, FailedWriteLeavesTheFileAsItWas) {
  const ScratchDir dir;
  auto file = WritableFile::Append(dir / "a");
  ASSERT_TRUE(file.ok() && file->Write("0123456789").ok());
  {
    const FileSizeLimit limit(15);
    EXPECT_FALSE(file->Write("abcdefghij").ok());
  }
  EXPECT_EQ(file->size(), 10);
  EXPECT_EQ(Slurp(dir / "a"), "0123456789");
  ASSERT_TRUE(file->Write("more").ok());
  EXPECT_EQ(Slurp(dir / "a"), "0123456789more");
}

TEST(CheckedFileTest, ReadBeyondTheEndIsDataLoss) {
  const ScratchDir dir;
  Spill(dir / "a", "12345");
  const auto file = ReadableFile::Open(dir / "a");
  ASSERT_TRUE(file.ok());
  char bytes[4];
  EXPECT_TRUE(file->Read(1, 4, bytes).ok());
  EXPECT_EQ(std::string(bytes, 4), "2345");
  EXPECT_EQ(file->Read(2, 4, bytes).code(), absl::StatusCode::kDataLoss);
}

TEST(CheckedFileTest, MissingFilesAndFoldersAreNamed) {
  const ScratchDir dir;
  const absl::Status missing = ReadFile(dir / "none").status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.message()), StartsWith(dir / "none"));
  EXPECT_EQ(ReadFile(dir.path()).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(WriteFile(dir / "no/such/folder", "x").ok());
}

}  // namespace
}  // namespace deduce
