#include "data/text/text_file.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/data/temporary_file.h"

namespace deduce {
namespace {

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
  const absl::Status status = ReadTextFile(path).status();
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(status.message(), path + ": found \"Is a directory\", expected a readable file");
}

}  // namespace
}  // namespace deduce
