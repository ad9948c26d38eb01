#include "rl/run/stop_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <string>

#include "trainer/checkpoint/checked_file.h"

namespace deduce {
namespace {

using ::testing::IsEmpty;

struct Ended {
  int code = -1;  // its exit code; -1: a signal ended it
  std::string errors;
};

// Signals change a process for good, so each test has one of its own.
Ended InChild(const std::function<void()>& body) {
  std::array<int, 2> ends;
  EXPECT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) ::signal(signal, SIG_DFL);
    SetStepUnderWay(1);
    body();
    _exit(StopSignal() == 0 ? 0 : 100 + StopSignal());
  }
  close(ends[1]);
  const FileDescriptor from(ends[0]);
  Ended ended;
  char bytes[1024];
  for (ssize_t size; (size = read(from.get(), bytes, sizeof(bytes))) > 0;) {
    ended.errors.append(bytes, size);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  if (WIFEXITED(status)) ended.code = WEXITSTATUS(status);
  return ended;
}

TEST(StopRequestTest, EverySignalThatAsksIsAnsweredByOneLine) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) {
    const Ended ended = InChild([&] {
      CatchStopSignals(/*quiet=*/false);
      SetStepUnderWay(1234567890123);
      raise(signal);
    });
    EXPECT_EQ(ended.code, 100 + signal);
    EXPECT_EQ(ended.errors, SignalName(signal) +
                                ": finishing step 1234567890123, then saving; again to stop at "
                                "once\n");
  }
}

TEST(StopRequestTest, ASignalOfTheSameSecondAsksForTheSame) {
  const Ended ended = InChild([] {
    CatchStopSignals(/*quiet=*/true);
    raise(SIGINT);
    raise(SIGTERM);
    raise(SIGINT);
  });
  EXPECT_EQ(ended.code, 100 + SIGINT);
  EXPECT_THAT(ended.errors, IsEmpty());
}

TEST(StopRequestTest, ALaterSignalEndsTheProcess) {
  const Ended ended = InChild([] {
    CatchStopSignals(/*quiet=*/false);
    raise(SIGTERM);
    for (;;) {
      usleep(10000);
      raise(SIGINT);
    }
  });
  EXPECT_EQ(ended.code, 1);
  EXPECT_EQ(ended.errors,
            "SIGTERM: finishing step 1, then saving; again to stop at once\n"
            "deduce: error: second SIGINT: stopping without saving\n");
}

TEST(StopRequestTest, ALauncherMayRepeatItsRequest) {
  const Ended ended = InChild([] {
    CatchStopSignals(/*quiet=*/true);
    for (int i = 0; i < 3; ++i) {
      raise(SIGUSR1);
      usleep(600000);  // thrice, so that more than the second of the same request goes by
    }
  });
  EXPECT_EQ(ended.code, 100 + SIGUSR1);
  EXPECT_THAT(ended.errors, IsEmpty());
}

TEST(StopRequestTest, WhatNohupIgnoresStaysIgnored) {
  const Ended ended = InChild([] {
    signal(SIGHUP, SIG_IGN);
    CatchStopSignals(/*quiet=*/false);
    raise(SIGHUP);
  });
  EXPECT_EQ(ended.code, 0);
  EXPECT_THAT(ended.errors, IsEmpty());
}

TEST(StopRequestTest, AReaderOfMessagesThatLeavesEndsNothing) {
  const Ended ended = InChild([] {
    CatchStopSignals(/*quiet=*/false);
    std::array<int, 2> ends;
    if (pipe(ends.data()) != 0) _exit(99);
    close(ends[0]);
    dup2(ends[1], STDERR_FILENO);
    raise(SIGINT);
  });
  EXPECT_EQ(ended.code, 100 + SIGINT);
}

}  // namespace
}  // namespace deduce
