#include "configs/text_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sstream>
#include <string>
#include <vector>

#include "tests/data/temporary_file.h"

namespace deduce {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string MessageOf(const std::string& path, int64_t most_bytes = kMostTextBytes) {
  return std::string(ReadTextFile(path, most_bytes).status().message());
}

TEST(ReadTextFileTest, EveryByteIsKept) {
  // Longer than a block of reading, with zeros, carriage returns and no line feed at the end.
  std::string bytes;
  for (int i = 0; i < 200001; ++i) bytes += static_cast<char>(i * 7 + i / 256);
  const TemporaryFile file("bytes", bytes);
  EXPECT_EQ(ReadTextFile(file.path()).value(), bytes);
}

TEST(ReadTextFileTest, AnEmptyFileIsEmptyText) {
  const TemporaryFile file("empty", "");
  EXPECT_EQ(ReadTextFile(file.path()).value(), "");
}

TEST(ReadTextFileTest, AMissingFileIsNamed) {
  const std::string path = ::testing::TempDir() + "no/such/file";
  const absl::Status status = ReadTextFile(path).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(),
            path + ": found \"No such file or directory\", expected a readable file");
}

TEST(ReadTextFileTest, AFolderIsRefused) {
  const std::string path = ::testing::TempDir();
  EXPECT_EQ(MessageOf(path), path + ": found \"Is a directory\", expected a readable file");
}

// A pipe nobody writes to, which a plain open would wait for, and files without an end.
TEST(ReadTextFileTest, PipesAndDevicesAreRefusedAtOnce) {
  const std::string pipe = ::testing::TempDir() + std::to_string(getpid()) + "_pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(MessageOf(pipe), pipe + ": found a pipe or device, expected a regular file");
  EXPECT_FALSE(LineReader::Open(pipe).ok());
  ::unlink(pipe.c_str());
  EXPECT_THAT(MessageOf("/dev/zero"), HasSubstr("found a pipe or device"));
}

TEST(ReadTextFileTest, MoreBytesThanAskedForAreRefused) {
  const TemporaryFile file("large", "123456");
  EXPECT_EQ(MessageOf(file.path(), 6), "");
  EXPECT_EQ(MessageOf(file.path(), 5),
            file.path() + ": found 6 bytes, expected a file of at most 5");
}

TEST(ReadTextFileTest, WhatTheProcessWasGivenOpenMayBeAPipe) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::write(ends[1], "a\nb", 3), 3);
  ::close(ends[1]);
  EXPECT_EQ(ReadTextFile("/dev/fd/" + std::to_string(ends[0])).value(), "a\nb");
  ::close(ends[0]);
}

std::vector<std::string> Lines(LineReader reader) {
  std::vector<std::string> lines;
  std::string line;
  while (reader.Next(line).value()) lines.push_back(reader.where() + " " + line);
  return lines;
}

TEST(LineReaderTest, GivesEveryLineWithItsNumber) {
  const std::string longer(200000, 'x');  // than a block
  const TemporaryFile file("lines", "a\n\n" + longer + "\nb");
  const std::string& path = file.path();
  EXPECT_THAT(Lines(*LineReader::Open(path)),
              ElementsAre(path + ":1 a", path + ":2 ", path + ":3 " + longer, path + ":4 b"));
  std::istringstream stream("a\nb\n");
  EXPECT_THAT(Lines(LineReader(stream, "in")), ElementsAre("in:1 a", "in:2 b"));
}

TEST(LineReaderTest, TellsALineThatIsNotFinished) {
  std::istringstream stream("a\nb");
  LineReader reader(stream, "in");
  std::string line;
  ASSERT_TRUE(*reader.Next(line));
  EXPECT_FALSE(reader.unfinished());
  ASSERT_TRUE(*reader.Next(line));
  EXPECT_TRUE(reader.unfinished());
}

TEST(LineReaderTest, ALineWithoutAnEndIsRefused) {
  const TemporaryFile first("sparse", "a\n");
  ASSERT_EQ(::truncate(first.path().c_str(), kMostLineBytes + 10), 0);
  LineReader reader = *LineReader::Open(first.path());
  std::string line;
  ASSERT_TRUE(*reader.Next(line));
  EXPECT_EQ(reader.Next(line).status().message(),
            first.path() + ":2: found more than 67108864 bytes, expected a shorter line");
}

}  // namespace
}  // namespace deduce
