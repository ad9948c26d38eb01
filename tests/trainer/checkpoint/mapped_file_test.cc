#include "trainer/checkpoint/mapped_file.h"

#include <gtest/gtest.h>

#include <optional>

#include "tests/trainer/scratch_dir.h"

namespace deduce {
namespace {

TEST(MappedFileTest, ShowsTheBytesAsLongAsACopyLives) {
  const ScratchDir dir;
  const std::string bytes = std::string("a\0b", 3) + std::string(10000, 'c');
  Spill(dir / "f", bytes);
  std::optional<MappedFile> kept;
  {
    const auto file = MappedFile::Open(dir / "f");
    ASSERT_TRUE(file.ok()) << file.status();
    kept = *file;
  }
  EXPECT_EQ(kept->bytes(), bytes);
}

TEST(MappedFileTest, AnEmptyFileHasNoBytes) {
  const ScratchDir dir;
  Spill(dir / "f", "");
  EXPECT_TRUE(MappedFile::Open(dir / "f")->bytes().empty());
}

TEST(MappedFileTest, MissingFilesAndFoldersAreErrors) {
  const ScratchDir dir;
  EXPECT_EQ(MappedFile::Open(dir / "none").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(MappedFile::Open(dir.path()).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace deduce
