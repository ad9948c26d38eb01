// Folders for tests that write files.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "parallel/communicator/communicator.h"

namespace deduce {

// A new, empty folder, removed with its contents at the end; in memory where the system has a place
// for that, because what is tested here syncs a lot.
class ScratchDir {
 public:
  ScratchDir()
      : path_((::access("/dev/shm", W_OK) == 0 ? "/dev/shm/" : ::testing::TempDir()) +
              "deduce_XXXXXX") {
    EXPECT_NE(::mkdtemp(path_.data()), nullptr) << path_;
  }
  ~ScratchDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;

  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

  // Collective. Rank 0's folder, on all ranks: as processes each has made one of its own.
  std::string Shared(Communicator& world) const { return world.AllGatherBytes(path_)[0]; }

 private:
  std::string path_;
};

inline std::string Slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

inline void Spill(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

}  // namespace deduce
