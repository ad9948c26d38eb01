#include "trainer/checkpoint/content_hash.h"

#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "tests/trainer/scratch_dir.h"

namespace deduce {
namespace {

TEST(ContentHashTest, IsXxh3) {
  // XXH3_64bits of no bytes, seed 0: the first of xxHash's own test vectors.
  EXPECT_EQ(ContentHash(""), "2d06800538d394c2");
}

TEST(ContentHashTest, TensorHashIsThatOfItsBytes) {
  const at::Tensor tensor = at::zeros({3, 2}, at::kFloat);
  EXPECT_EQ(ContentHash(tensor), ContentHash(std::string(24, '\0')));
}

TEST(ContentHashTest, FilesHashIsThatOfItsBytes) {
  const ScratchDir dir;
  for (const size_t size : {size_t{0}, size_t{3}, size_t{1} << 20, (size_t{1} << 20) + 5}) {
    std::string bytes(size, 'a');
    if (size > 0) bytes.back() = 'b';
    Spill(dir / "file", bytes);
    EXPECT_EQ(*ContentHashOfFile(dir / "file"), ContentHash(bytes)) << size;
  }
  EXPECT_EQ(ContentHashOfFile(dir / "none").status().code(), absl::StatusCode::kNotFound);
}

TEST(ContentHashTest, TensorWithGapsIsRefused) {
  const at::Tensor tensor = at::zeros({3, 2}, at::kFloat);
  EXPECT_THROW(ContentHash(tensor.t()), c10::Error);
}

}  // namespace
}  // namespace deduce
