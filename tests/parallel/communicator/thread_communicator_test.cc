#include "parallel/communicator/thread_communicator.h"

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

namespace deduce {
namespace {

using ::testing::HasSubstr;

std::string MessageOf(const std::function<void()>& action) {
  try {
    action();
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "nothing was thrown";
}

// Rank 1 of three fails while the others are inside `wait`; both must leave it by an error.
void ExpectWokenByFailure(const std::function<void(Communicator&)>& wait) {
  std::atomic<int> woken = 0;
  const std::string message = MessageOf([&] {
    RunThreadRanks(3, [&](Communicator& world) {
      TORCH_CHECK(world.rank() != 1, "rank 1 breaks");
      if (MessageOf([&] { wait(world); }) != "nothing was thrown") ++woken;
    });
  });
  EXPECT_THAT(message, HasSubstr("rank 1 breaks"));
  EXPECT_EQ(woken, 2);
}

TEST(ThreadCommunicatorTest, AFailureWakesRanksInCollectives) {
  ExpectWokenByFailure([](Communicator& world) { world.Barrier(); });
  ExpectWokenByFailure([](Communicator& world) { world.AllGather(at::zeros({2})); });
  ExpectWokenByFailure([](Communicator& world) { world.AllGatherBytes("x"); });
  ExpectWokenByFailure([](Communicator& world) {
    at::Tensor shards = at::zeros({world.size()});
    world.AllGatherInto(shards, std::vector<int64_t>(world.size(), 1));
  });
  ExpectWokenByFailure([](Communicator& world) {
    world.AllToAll(at::zeros({3, 1}), {1, 1, 1}, {1, 1, 1});
  });
  ExpectWokenByFailure([](Communicator& world) { world.Split(0, 0); });
  ExpectWokenByFailure([](Communicator& world) {
    at::Tensor tensor = at::zeros({2});
    world.Broadcast(tensor, 1);
  });
}

TEST(ThreadCommunicatorTest, AFailureWakesRanksInReceive) {
  ExpectWokenByFailure([](Communicator& world) {
    at::Tensor tensor = at::zeros({2});
    world.Receive(tensor, 2 - world.rank(), 0)->Wait();
  });
}

TEST(ThreadCommunicatorTest, AFailureWakesMembersOfOtherGroups) {
  const std::string message = MessageOf([] {
    RunThreadRanks(3, [](Communicator& world) {
      const std::unique_ptr<Communicator> group = world.Split(world.rank() == 2 ? 1 : 0, 0);
      TORCH_CHECK(world.rank() != 2, "rank 2 breaks");
      for (;;) group->Barrier();
    });
  });
  EXPECT_THAT(message, HasSubstr("rank 2 breaks"));
}

TEST(ThreadCommunicatorTest, ARankThatUnwindsDoesNotWaitForItsReceives) {
  const std::string message = MessageOf([] {
    RunThreadRanks(2, [](Communicator& world) {
      at::Tensor tensor = at::zeros({2});
      const std::unique_ptr<Transfer> never_sent = world.Receive(tensor, 1 - world.rank(), 0);
      TORCH_CHECK(world.rank() != 0, "rank 0 breaks");
      world.Barrier();
    });
  });
  EXPECT_THAT(message, HasSubstr("rank 0 breaks"));
}

// As after a failed ASSERT in a test body.
TEST(ThreadCommunicatorTest, WaitingForARankThatHasReturnedIsAnError) {
  const std::string message = MessageOf([] {
    RunThreadRanks(2, [](Communicator& world) {
      if (world.rank() == 0) world.Barrier();
    });
  });
  EXPECT_THAT(message, HasSubstr("waits for rank 1, which has ended"));
}

TEST(ThreadCommunicatorTest, AMessageStaysReceivableAfterItsSenderHasReturned) {
  RunThreadRanks(2, [](Communicator& world) {
    at::Tensor tensor = at::full({2}, 1.0f);
    if (world.rank() == 0) {
      world.Send(tensor, 1, 0)->Wait();
      return;
    }
    at::Tensor received = at::zeros({2});
    world.Receive(received, 0, 0)->Wait();
    EXPECT_TRUE(received.equal(tensor));
  });
}

TEST(ThreadCommunicatorTest, RanksThatDisagreeAreProgrammingErrors) {
  EXPECT_THROW(RunThreadRanks(
                   2, [](Communicator& world) { world.AllGather(at::zeros({1 + world.rank()})); }),
               c10::Error);
  EXPECT_THROW(RunThreadRanks(2,
                              [](Communicator& world) {
                                world.AllToAll(at::zeros({2}), {1, 1}, {1, world.rank()});
                              }),
               c10::Error);
  EXPECT_THROW(RunThreadRanks(2,
                              [](Communicator& world) {
                                at::Tensor tensor = at::zeros({1 + world.rank()});
                                world.Broadcast(tensor, 0);
                              }),
               c10::Error);
}

TEST(ThreadCommunicatorDeathTest, AbortEndsTheProcessWithTheCode) {
  EXPECT_EXIT(
      RunThreadRanks(
          2, [](Communicator& world) { world.rank() == 1 ? world.Abort(7) : world.Barrier(); }),
      ::testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace deduce
