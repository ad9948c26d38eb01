#include "trainer/checkpoint/checked_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
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

TEST(CheckedFileTest, AFileIsReplacedWhereItsLinksLead) {
  const ScratchDir dir;
  ASSERT_TRUE(ReplaceFile(dir / "new", "1").ok());
  std::filesystem::create_symlink(dir / "new", dir / "link");
  ASSERT_TRUE(ReplaceFile(dir / "link", "2").ok());
  EXPECT_EQ(Slurp(dir / "new"), "2");
  EXPECT_TRUE(std::filesystem::is_symlink(dir / "link"));
}

TEST(CheckedFileTest, WhatIsNoFileIsNotReplaced) {
  const ScratchDir dir;
  ASSERT_EQ(mkfifo((dir / "pipe").c_str(), 0666), 0);
  std::filesystem::create_directory(dir / "folder");
  std::filesystem::create_symlink("/dev/full", dir / "link");
  const auto names = [&] {
    std::set<std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator(dir / ".")) {
      all.insert(entry.path().filename().string());
    }
    return all;
  };
  const std::set<std::string> before = names();
  for (const char* name : {"pipe", "folder", "link"}) {
    for (const absl::Status& status :
         {ReplaceFile(dir / name, "x"), CheckReplaceable(dir / name)}) {
      EXPECT_EQ(status.message(), absl::StrCat(dir / name,
                                               ": found a folder or device, expected a "
                                               "file or nothing"));
    }
  }
  EXPECT_TRUE(std::filesystem::is_fifo(dir / "pipe"));
  EXPECT_TRUE(std::filesystem::is_character_file(dir / "link"));
  EXPECT_EQ(names(), before);
}

TEST(CheckedFileTest, AFailedReplacementLeavesTheOldFileAndNothingElse) {
  const ScratchDir dir;
  Spill(dir / "a", "old");
  {
    const FileSizeLimit limit(15);
    EXPECT_FALSE(ReplaceFile(dir / "a", "abcdefghijklmnopqrst").ok());
  }
  EXPECT_EQ(Slurp(dir / "a"), "old");
  EXPECT_FALSE(std::filesystem::exists(dir / "a.partial"));
  EXPECT_EQ(CheckReplaceable("/nowhere/a").message(),
            "/nowhere/a: found error 'No such file or directory', expected a file that can be "
            "written");
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
