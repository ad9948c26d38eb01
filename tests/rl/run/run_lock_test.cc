#include "rl/run/run_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "configs/exit_code.h"
#include "tests/rl/report/run_directory.h"

namespace deduce {
namespace {

constexpr double kDoNotWait = 0;

std::string Host() {
  char name[256] = "";
  ::gethostname(name, sizeof(name) - 1);
  return name;
}

TEST(RunLockTest, SaysWhoHoldsItAndIsGoneAfterwards) {
  const RunDirectory root;
  {
    const absl::StatusOr<RunLock> lock = RunLock::Take(root.path(), kDoNotWait);
    ASSERT_TRUE(lock.ok()) << lock.status();
    EXPECT_EQ(WriterOf(root.path())->host, Host());
    EXPECT_EQ(WriterOf(root.path())->pid, ::getpid());
  }
  EXPECT_FALSE(WriterOf(root.path()).has_value());
  EXPECT_TRUE(std::filesystem::is_empty(root.path()));
}

TEST(RunLockTest, IsRefusedNamingHostAndPidWhileItIsHeld) {
  const RunDirectory root;
  const absl::StatusOr<RunLock> lock = RunLock::Take(root.path(), kDoNotWait);
  const absl::Status second = RunLock::Take(root.path(), kDoNotWait).status();
  EXPECT_EQ(second.message(), absl::StrCat("run_dir: found process ", ::getpid(), " on ", Host(),
                                           " writing ", root.path(), ", expected nobody"));
  EXPECT_EQ(ExitCodeOf(second), static_cast<int>(ExitCode::kBadConfig));
  EXPECT_TRUE(WriterOf(root.path()).has_value());
}

TEST(RunLockTest, MayBeTakenAgainByTheSameProcess) {
  const RunDirectory root;
  { const auto lock = RunLock::Take(root.path(), kDoNotWait); }
  EXPECT_TRUE(RunLock::Take(root.path(), kDoNotWait).ok());
}

// As kill -9 leaves it: the file names a process that is no more, and nobody holds it.
TEST(RunLockTest, OfAKilledProcessIsTakenOver) {
  const RunDirectory root;
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = RunLock::Take(root.path(), kDoNotWait);
    ::raise(SIGKILL);
  }
  int state = 0;
  ASSERT_EQ(::waitpid(child, &state, 0), child);
  ASSERT_TRUE(WIFSIGNALED(state));
  ASSERT_THAT(ReadWhole(root.file("lock")), ::testing::HasSubstr(std::to_string(child)));
  EXPECT_FALSE(WriterOf(root.path()).has_value());
  const absl::StatusOr<RunLock> lock = RunLock::Take(root.path(), kDoNotWait);
  ASSERT_TRUE(lock.ok()) << lock.status();
  EXPECT_EQ(WriterOf(root.path())->pid, ::getpid());
}

// Its kernel is not the one that would know.
TEST(RunLockTest, OfAnotherMachineIsRefusedWithAdvice) {
  const RunDirectory root;
  const std::string path =
      root.Write("lock", R"({"host": "elsewhere", "pid": 5, "boot_id": "another"})");
  EXPECT_EQ(RunLock::Take(root.path(), kDoNotWait).status().message(),
            "run_dir: found process 5 on elsewhere writing " + root.path() +
                ", expected nobody; if that process is gone, remove " + path);
  EXPECT_EQ(WriterOf(root.path())->host, "elsewhere");
}

TEST(RunLockTest, ThatIsEmptyOrDamagedIsTakenOver) {
  const RunDirectory root;
  for (const char* text : {"", "{", "[]", R"({"host": 3, "pid": "x"})"}) {
    root.Write("lock", text);
    EXPECT_TRUE(RunLock::Take(root.path(), kDoNotWait).ok()) << text;
  }
}

TEST(RunLockTest, NeedsAFolder) {
  const RunDirectory root;
  const absl::Status status = RunLock::Take(root.file("none"), kDoNotWait).status();
  EXPECT_EQ(ExitCodeOf(status), static_cast<int>(ExitCode::kBadConfig));
}

}  // namespace
}  // namespace deduce
